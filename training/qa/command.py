"""The `qa` command: judge a version and write the report next to it. The exit status is 0 if it passed."""

import sys
from argparse import Namespace

from shared.contract.model_spec import MNIST_LABELS
from shared.data import dataset
from shared.errors import DatasetError, ModelError
from shared.models import registry
from shared.models.registry import ModelVersion
from shared.shapes import MNIST_SHAPE
from training.data.examples import read_examples
from training.qa import champion, gate
from training.qa.bounds import FLOOR, MIN_THROUGHPUT, Bounds, floor_of, for_folder
from training.qa.report import page, report, table


def run(options: Namespace, command: str) -> None:
    """Judge with the `options` of the command. Progress goes to stderr, the table or report to stdout.

    Raises ModelError for a version that fails, with the failed checks, and for a missing version or champion. Raises
    DatasetError if MNIST is missing, or for pictures of `--data` that cannot be read.
    """
    version = registry.load_version(options.models_dir, options.model)
    test = _read_test_images(version, options)
    opponent = champion.find(options.champion_dir, version, options.champion)
    if opponent and (opponent.spec.labels, opponent.spec.shape) != (version.spec.labels, version.spec.shape):
        raise ModelError(f"the champion {opponent.ref} has other labels or takes other images: name another --champion")
    default_floor = None if options.data else FLOOR
    limits = Bounds(
        floor_of(version.card, default_floor) if options.floor is None else options.floor,
        None if options.allow_slower else MIN_THROUGHPUT,
        options.memory_mib,
    )
    if options.data:
        limits = for_folder(limits, len(test.images))
    judged = gate.judge(version, opponent, test, limits, options.engine, _print_progress)
    # Write the page before the report, so that a new report never lies next to an old page.
    default_html = version.directory / report.PAGE
    html = options.html or default_html
    default_html.unlink(missing_ok=True)
    html.parent.mkdir(parents=True, exist_ok=True)
    report.write(html, page.render(judged, test))
    report.write(version.directory / report.REPORT, judged.encode())
    _print_progress(f"wrote {version.directory / report.REPORT} and {html}")
    print(judged.encode() if options.json else table.render(judged), end="" if options.json else "\n", flush=True)
    if not judged.passed:
        raise ModelError(f"{judged.model} failed: {', '.join(check.name for check in judged.failed)}")


def _read_test_images(version: ModelVersion, options: Namespace) -> dataset.Split:
    if options.data:
        return read_examples(options.data, version.spec)
    if version.spec.shape != MNIST_SHAPE or version.spec.labels != MNIST_LABELS:
        raise DatasetError(f"{version.ref} does not read digits: name a folder with a folder per label with --data")
    mnist_dir = dataset.find_mnist_dir(options.mnist_dir, "test")
    if mnist_dir is None:
        raise DatasetError("the gate judges on MNIST's test set, which is missing: download it with `make data`")
    return dataset.load_split("test", mnist_dir)


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
