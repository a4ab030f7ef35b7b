"""The `qa` command: judge a version, leave the report beside it, and say in the exit status whether it passed."""

import sys
from argparse import Namespace

from shared.data import dataset
from shared.errors import DatasetError, ModelError
from shared.models import registry
from training.qa import champion, gate
from training.qa.bounds import THROUGHPUT, Bounds, floor_of
from training.qa.report import page, report, table


def run(options: Namespace, command: str) -> None:
    """Judge as `options` of `training/__main__.py` say. Progress goes to stderr, the table or the report to stdout.

    Raises ModelError for a version that fails, naming in what, and for one or a champion that is not there;
    DatasetError where MNIST is not.
    """
    version = registry.load_version(options.models_dir, options.model)
    mnist_dir = dataset.find_mnist_dir(options.mnist_dir)
    if mnist_dir is None:
        raise DatasetError("the gate judges on MNIST's test set, which is not here: fetch it with `make data`")
    rival = champion.find(options.champion_dir, version, options.champion)
    limits = Bounds(
        floor_of(version.card) if options.floor is None else options.floor,
        None if options.allow_slower else THROUGHPUT,
        options.memory_mib,
    )
    test = dataset.load_split("test", mnist_dir)
    judged = gate.judge(version, rival, test, limits, options.engine, _tell)
    # The page first: where there is a new verdict, there is its page, or none of an older one.
    beside = version.directory / report.PAGE
    html = options.html or beside
    beside.unlink(missing_ok=True)
    html.parent.mkdir(parents=True, exist_ok=True)
    report.write(html, page.render(judged, test))
    report.write(version.directory / report.REPORT, judged.encode())
    _tell(f"wrote {version.directory / report.REPORT} and {html}")
    print(judged.encode() if options.json else table.render(judged), end="" if options.json else "\n", flush=True)
    if not judged.passed:
        raise ModelError(f"{judged.model} failed: {', '.join(check.name for check in judged.failed)}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
