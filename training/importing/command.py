"""The `import` command: publish a model file that was made elsewhere as a version that the service can load."""

import dataclasses
import shutil
from argparse import Namespace
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shared.contract.model_card import ModelCard
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import ModelSpec
from shared.errors import ModelError
from shared.models import registry
from training.importing import derive, examples, model_file
from training.importing.choices import Choices, read_labels
from training.importing.model_file import ModelFile
from training.publishing import card, staging
from worker.engine.check import draw_patterns
from worker.engine.stages.network import Runtime

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Described:
    """A model file with its spec, and the sentences about what was assumed. `keras_model` is None for other files."""

    file: ModelFile
    spec: ModelSpec
    assumed: list[str]
    keras_model: "keras.Model | None" = None


def run(options: Namespace, command: str) -> None:
    """Import with the `options` of the command. Prints what was assumed, and the limits of the version.

    Raises ModelError for a file that cannot be served, with the reason and what to do instead.
    """
    if not registry.NAME.fullmatch(options.name):
        raise ModelError(f"--name {options.name!r} is no name of a model: expected a-z, 0-9 and hyphens")
    labels = read_labels(options.labels)
    choices = Choices(labels, options.values, options.layout, options.output, options.resize, options.size)
    ref = ModelRef(options.name, options.version or next_version(options.models_dir, options.name))
    with staging.staged(options.models_dir, ref.name, int(ref.label)) as directory:
        described = describe(options.file, directory, choices)
        written = make_card(ref, described, directory)
        written["training"] = {"command": command, "imported": options.file.name, "finished": _now()}
        card.write(directory, written)
        judged = None
        if options.examples:
            judged = examples.judge(options.examples, described.spec, directory)
            written |= {**judged.fields, "files": hash_files(directory)}
            card.write(directory, written)
    print(f"{options.file}: {described.file.input} -> {described.file.output}")
    for sentence in described.assumed:
        print(f"  assumed {sentence}")
    for sentence in judged.sentences if judged else ():
        print(f"  {sentence}")
    if described.spec.input.batch == 1:
        print("  the file has a fixed batch of one, so that it runs image by image: slower than in batches")
    if warning := warn_of_other_images(options.models_dir, ref, described.spec):
        print(f"  {warning}")
    print(f"Wrote {options.models_dir / ref.name / str(ref.label)}: {ref} with {len(labels)} labels")


def next_version(models_dir: Path, name: str) -> int:
    """Return the number after the latest version of `name`."""
    return max(registry.versions(models_dir, name), default=0) + 1


def warn_of_other_images(models_dir: Path, ref: ModelRef, spec: ModelSpec) -> str | None:
    """Return a sentence if the version before takes other images, because clients may name only the model."""
    earlier = [number for number in registry.versions(models_dir, ref.name) if number < int(ref.label)]
    if not earlier:
        return None
    before = registry.load_version(models_dir, str(ModelRef(ref.name, earlier[-1])))
    if before.spec.shape == spec.shape:
        return None
    return (
        f"{before.ref} takes {before.spec.images}, and this version {spec.images}: "
        f"requests for {ref.name} get this version, unless an alias champion names another one"
    )


def describe(path: Path, directory: Path, choices: Choices) -> Described:
    """Put the file at `path` into a version's `directory`, and find out how it is served. Raises ModelError."""
    file, keras_model, scales = _place(path, directory, choices)
    assumed = []
    if scales and choices.values is None:
        choices = dataclasses.replace(choices, values="0..255")
        assumed.append("values 0..255, because the model scales the pixels itself")
    spec_input, derived = derive.derive_input(file, choices)
    # The answers as they are in the file, to find out what they are.
    raw = ModelSpec(input=spec_input, labels=choices.labels)
    batch = derive.find_batch(file.path, raw.shape, _open(file, directory, raw).run)
    raw = msgspec.structs.replace(raw, input=msgspec.structs.replace(spec_input, batch=batch))
    answers = _open(file, directory, raw).run(draw_patterns(raw.shape))
    output, derived_output = derive.derive_output(file, choices, answers)
    spec = msgspec.structs.replace(raw, output=output)
    return Described(file, spec, [*assumed, *derived, *derived_output], keras_model)


def make_card(ref: ModelRef, described: Described, directory: Path) -> ModelCard:
    """Return the card of an imported version whose files are in `directory`."""
    spec: Any = msgspec.to_builtins(described.spec)
    model = described.keras_model
    return {
        "name": ref.name,
        "version": int(ref.label),
        "architecture": f"imported from {described.file.path.name}",
        "input": spec["input"],
        "output": spec["output"],
        "labels": spec["labels"],
        **_describe_network(model),
        "layer_outputs": None,
        "accuracy": None,
        "files": hash_files(directory),
    }


def hash_files(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a version except its card."""
    return card.hash_files(path for path in directory.iterdir() if path.name != registry.CARD)


def _describe_network(model: "keras.Model | None") -> ModelCard:
    """Return the size and the layers of a Keras model, as far as they are known."""
    if model is None:
        return {"layers": None}
    try:
        return card.describe_network(model)
    except (AttributeError, TypeError, ValueError):  # a layer without one output of a fixed shape
        return {"parameters": int(model.count_params()), "layers": None}


def _place(path: Path, directory: Path, choices: Choices) -> tuple[ModelFile, "keras.Model | None", bool]:
    """Write the files of the version. Returns the Keras model, too, and whether it scales the pixels itself."""
    kind = model_file.kind_of(path)
    if kind == "litert":
        file = model_file.open_litert(path)
    elif kind == "onnx":
        file = model_file.open_onnx(path)
    else:
        return _convert(path, kind, directory, choices)
    shutil.copyfile(path, directory / file.served)
    return file, None, False


def _convert(
    path: Path, kind: model_file.Kind, directory: Path, choices: Choices
) -> tuple[ModelFile, "keras.Model | None", bool]:
    if not model_file.has_tensorflow():
        raise ModelError(f"{path} cannot be imported: {model_file.TENSORFLOW_EXTRA}")
    from training.importing import keras_file

    target = directory / "model.tflite"
    if kind == "saved model":
        target.write_bytes(keras_file.convert_saved_model(path))
        model, scales = None, False
    else:
        converted = keras_file.convert_keras(path, choices.size)
        target.write_bytes(converted.flatbuffer)
        converted.model.save(directory / "model.keras")
        model, scales = converted.model, converted.scales
    return dataclasses.replace(model_file.open_litert(target), path=path), model, scales


def _open(file: ModelFile, directory: Path, spec: ModelSpec) -> Runtime:
    if file.served == "model.onnx":
        from worker.engine.onnx import OnnxRuntime

        return OnnxRuntime(directory / file.served, 1, spec)
    from worker.engine.litert import LiteRTRuntime

    return LiteRTRuntime(directory / file.served, 1, spec)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
