"""The command line's words."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, entry_points, version

from mnistified.commands import bench, bulk, jobs, service, single
from mnistified.commands.completion import completion
from mnistified.commands.exits import MEANINGS
from mnistified.commands.formats import FORMATS
from mnistified.options import DEFAULT_URL

FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # what a shell completes a file's name with
SHELLS = ("bash", "zsh", "tcsh")
OTHERS_COMMANDS = "mnistified.commands"  # entry points of other packages, each called with `command`: the service's own


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Other packages' commands are loaded only where `words` has none of ours: that takes as long as a small job."""
    common = _common_options()
    parser = argparse.ArgumentParser(
        prog="mnistified",
        description="Classify images of digits at an MNISTified service.",
        epilog="exit codes: "
        + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items())
        + ". The key, where the service wants one, is read from MNISTIFIED_KEY.",
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"mnistified {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    _add_images(command("classify", "classify images, one by one"))
    _add_bulk(command("bulk", "classify many images into one file; after an interruption the same command goes on"))
    _add_results(command("results", "the results of a job, in input order, also while it runs"))
    watch = command("watch", "wait for a job to end")
    watch.add_argument("id", help="of the job")
    watch.set_defaults(run=jobs.watch)
    cancel = command("cancel", "cancel a job: what is finished stays")
    cancel.add_argument("id", help="of the job")
    cancel.set_defaults(run=jobs.cancel)
    command("status", "how the service is").set_defaults(run=service.status)
    command("models", "the models and their versions").set_defaults(run=service.models)
    _add_dataset(command("dataset", "an image of the service's test set"))
    _add_bench(command("bench", "load a running service: its rate, and how long it takes to answer"))
    shells = command("completion", "print a script that makes a shell complete these words")
    shells.add_argument("shell", choices=SHELLS)
    shells.set_defaults(run_alone=lambda arguments: completion(build_parser(), arguments.shell))
    if not set(words) & set(commands.choices):
        for add_command in entry_points(group=OTHERS_COMMANDS):
            add_command.load()(command)
    return parser


def _common_options() -> argparse.ArgumentParser:
    """May stand before and after the command; SUPPRESS, so that one place does not undo the other."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--url", help=f"of the service (default: MNISTIFIED_URL, else {DEFAULT_URL})")
    common.add_argument("--timeout", type=float, metavar="S", help="seconds to wait for an answer (default: 60)")
    common.add_argument("--retries", type=int, metavar="N", help="attempts after a failed one (default: 6)")
    common.add_argument("--json", action="store_true", help="print JSON, a document a line")
    common.add_argument("--quiet", action="store_true", help="no summary on stderr")
    return common


DEFAULTS = {"url": None, "timeout": 60.0, "retries": 6, "json": False, "quiet": False}


def parse(words: list[str] | None) -> argparse.Namespace:
    """With a default for every option that was not given. Ends the program for words that make no sense."""
    words = sys.argv[1:] if words is None else words
    return argparse.Namespace(**{**DEFAULTS, **vars(build_parser(words).parse_args(words))})


def _add_images(parser: argparse.ArgumentParser) -> None:
    images = parser.add_argument("images", nargs="+", metavar="IMAGE", help="an image file; - is stdin")
    images.complete = FILES  # type: ignore[attr-defined]
    _add_model(parser)
    parser.add_argument("--show", action="store_true", help="with --fit: draw what the model saw")
    parser.set_defaults(run=single.classify)


def _add_bulk(parser: argparse.ArgumentParser) -> None:
    text = "a folder, image files, patterns; or one zip, tar, .npy, IDX or NDJSON file; - is one of these on stdin"
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=text).complete = FILES  # type: ignore[attr-defined]
    _add_out(parser)
    _add_model(parser)
    parser.add_argument("--expire-s", type=float, metavar="S", help="what has no result by then expires")
    parser.set_defaults(run=bulk.bulk)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="of the job")
    _add_out(parser)
    parser.set_defaults(run=bulk.results)


def _add_out(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument("--out", default=bulk.STDIO, metavar="FILE", help="what to write (default: stdout)")
    out.complete = FILES  # type: ignore[attr-defined]
    parser.add_argument("--format", choices=list(FORMATS), help="of what is written (default: by the file's name)")
    parser.add_argument("--restart", action="store_true", help="begin anew where an earlier command was interrupted")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="NAME", help="a model, or one version of it: name@3 (default: the service's)"
    )
    parser.add_argument("--fit", action="store_true", help="pictures of a digit of any size, not 28×28 as MNIST's")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("index", type=int, help="of the image, from 0")
    parser.add_argument("--show", action="store_true", help="draw it in the terminal")
    parser.add_argument("--out", metavar="FILE", help="write it as PNG").complete = FILES  # type: ignore[attr-defined]
    parser.set_defaults(run=single.dataset)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    text = "image files, sent in turn (default: the service's own); or one archive or array, which makes jobs"
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=text).complete = FILES  # type: ignore[attr-defined]
    text = f"at a time (default: {bench.CONNECTIONS}, of jobs 1)"
    parser.add_argument("--connections", type=int, metavar="N", help=text)
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="how long (default: 5)")
    text = "after a refusal, wait for as long as Retry-After says; jobs always do"
    parser.add_argument("--patient", action="store_true", help=text)
    _add_model(parser)
    parser.set_defaults(run=bench.bench)


def _version() -> str:
    for name in ("mnistified-client", "mnistified"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of a source tree"
