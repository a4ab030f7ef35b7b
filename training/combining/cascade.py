"""The `cascade` command: build a version from trained networks, each of which passes on what it is not sure of."""

import os
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.data.dataset import Split
from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import CARD, ModelVersion
from shared.models.temperature import scale
from training.combining.assemble import Part, assemble, check_fit
from training.combining.stage_option import StageOption
from training.data.splits import choose_split, hold_out
from training.fitting import thresholds
from training.fitting.temperature import fit_temperature
from worker.engine import load_engine


def run(options: Namespace, command: str) -> None:
    """Build a cascade with the `options` of the command, and print how its thresholds were chosen.

    Raises ModelError for fewer than two stages, for networks that do not fit together and for weights that cannot be
    loaded; DatasetError if MNIST is missing and `--sample` is not given.
    """
    stages: list[StageOption] = options.stage
    if len(stages) < 2:
        raise ModelError("a cascade has at least two stages: repeat --stage")
    if stages[-1].accept_from is not None:
        raise ModelError(f"{stages[-1].path} is the last stage and passes no image on: leave out its threshold")
    split = choose_split(options.mnist_dir, options.sample, None)
    _, rows = hold_out(len(split.images))
    held_out = Split(split.name, split.images[rows], split.labels[rows])
    with tempfile.TemporaryDirectory() as folder:
        versions = [_version_of(stage.path, Path(folder), number) for number, stage in enumerate(stages, start=1)]
        check_fit(versions)
        parts = _fit(versions, stages, held_out)
        training = {
            "command": command,
            "dataset": split.name,
            "held_out_images": len(rows),
            "stages": [_origin(stage.path, version) for stage, version in zip(stages, versions, strict=True)],
        }
        built = assemble(
            parts, options.models_dir, options.name, options.version, training=training, force=options.force
        )
    print(f"Wrote {built.directory}: {', '.join(sorted(path.name for path in built.directory.iterdir()))}")


def _version_of(path: Path, folder: Path, number: int) -> ModelVersion:
    """Return the version in the folder `path`, or export weights to a registry in `folder`."""
    if path.is_dir():
        found = registry.parse_card((path / CARD).read_bytes(), path / CARD) if (path / CARD).is_file() else None
        if found is None:
            raise ModelError(f"{path} is no version: it has no {CARD}")
        return ModelVersion(found["name"], found["version"], path, found)
    # A late import: folders of versions need no TensorFlow.
    from training import weights
    from training.publishing.export import export

    model, record = weights.load(path)
    curves = weights.curves_path(path)
    return export(model, folder, f"stage-{number}", 1, training=record, curves=curves if curves.is_file() else None)


def _fit(versions: Sequence[ModelVersion], stages: Sequence[StageOption], held_out: Split) -> list[Part]:
    """Fit temperatures and thresholds to the held-out images, from the last stage to the first."""
    temperatures, judged = [], []
    for version in versions:
        engine = load_engine("litert", version.directory, threads=os.cpu_count() or 1)
        (network,) = engine.networks
        network.temperature = 1.0
        outputs = network.predict(held_out.images)
        temperatures.append(fit_temperature(outputs, held_out.labels))
        scaled = scale(outputs, temperatures[-1])
        labels = len(version.spec.labels)
        judged.append(thresholds.judge(scaled, held_out.labels, labels, version.card["multiply_adds"]))
    later = thresholds.alone(judged[-1])
    chosen: list[float | None] = [None]
    for number in range(len(versions) - 1, 0, -1):
        stage, option = judged[number - 1], stages[number - 1]
        candidates = thresholds.CANDIDATES if option.accept_from is None else (option.accept_from,)
        rows = thresholds.table(stage, later, candidates)
        row = thresholds.choose(rows, len(stage.right))
        _print_table(f"stage {number}, {option.path}", stage, rows, row)
        later = thresholds.pass_on(stage, row.accept_from, later)
        chosen.insert(0, row.accept_from)
    return _parts(versions, temperatures, chosen, judged)


def _parts(
    versions: Sequence[ModelVersion],
    temperatures: Sequence[float],
    chosen: Sequence[float | None],
    judged: Sequence[thresholds.Stage],
) -> list[Part]:
    parts = []
    arriving = judged[0].right | True
    for version, temperature, accept_from, stage in zip(versions, temperatures, chosen, judged, strict=True):
        parts.append(Part(version, temperature, accept_from, float(arriving.mean())))
        arriving = arriving & (stage.confidences < (accept_from or 0.0))
    return parts


def _print_table(title: str, stage: thresholds.Stage, rows: Sequence[thresholds.Row], chosen: thresholds.Row) -> None:
    print(f"{title}: {stage.right.sum():,} of {len(stage.right):,} held-out images are right without a later stage")
    print(f"{'accept from':>12} {'passed on':>10} {'right':>8} {'compute':>8}")
    for row in rows:
        mark = " chosen" if row is chosen else ""
        print(f"{row.accept_from:12g} {row.passed_on:10.2%} {row.right:8,} {row.compute:8.2f}{mark}")


def _origin(path: Path, version: ModelVersion) -> dict[str, Any]:
    """Return what a card records of the network of a stage."""
    files = version.card["files"]
    return {
        "file": version.ref if path.is_dir() else path.name,
        "sha256": {name: files[name] for name in sorted(files) if name.startswith("model.")},
        "training": version.card.get("training", {}),
    }
