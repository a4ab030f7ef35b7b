"""The parser of the command line."""

import argparse
import math
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import get_args

from mnistified.commands import bench, bulk, jobs, service, single
from mnistified.commands.exit_codes import MEANINGS
from mnistified.commands.formats import FORMATS
from mnistified.options import DEFAULT_URL, Accept, Resize

FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # shell functions that complete file names
FITS = ("digit", "number")
SHELLS = ("bash", "zsh", "tcsh")
PLUGIN_GROUP = "mnistified.commands"  # entry points with which other packages, e.g. the service, add commands


def build_parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser. Other packages' commands are slow to load, and needed only if `argv` has none of ours."""
    common = _common_options()
    parser = argparse.ArgumentParser(
        prog="mnistified",
        description="Classify images of digits with an MNISTified service.",
        epilog="exit codes: "
        + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items())
        + ". MNISTIFIED_KEY holds the API key, if the service requires one.",
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"mnistified {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    _add_images(command("classify", "classify images, one by one"))
    _add_bulk(command("bulk", "classify many images into one file; run it again to resume it after an interruption"))
    _add_results(command("results", "write the results of a job in input order, even while it runs"))
    watch = command("watch", "wait until a job is final")
    watch.add_argument("id", help="job id")
    watch.set_defaults(run=jobs.watch)
    cancel = command("cancel", "cancel a job; finished images keep their results")
    cancel.add_argument("id", help="job id")
    cancel.set_defaults(run=jobs.cancel)
    command("status", "show the state of the service").set_defaults(run=service.status)
    command("models", "list the models and their versions").set_defaults(run=service.models)
    _add_dataset(command("dataset", "show an image of the service's test set"))
    _add_bench(command("bench", "measure the throughput and latency of a running service"))
    shells = command("completion", "print a completion script for a shell")
    shells.add_argument("shell", choices=SHELLS)
    shells.set_defaults(run_alone=lambda arguments: completion(build_parser(), arguments.shell))
    if not set(argv) & set(commands.choices):
        for add_command in entry_points(group=PLUGIN_GROUP):
            add_command.load()(command)
    return parser


def _common_options() -> argparse.ArgumentParser:
    """Return the options for both sides of the command. SUPPRESS keeps one side's default from replacing a value."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--url", help=f"URL of the service (default: MNISTIFIED_URL, or {DEFAULT_URL})")
    common.add_argument("--timeout", type=float, metavar="S", help="seconds to wait for an answer (default: 60)")
    common.add_argument("--retries", type=int, metavar="N", help="retries after a failed attempt (default: 6)")
    common.add_argument("--json", action="store_true", help="print JSON, one document per line")
    common.add_argument("--quiet", action="store_true", help="print no summary, progress or skipped files to stderr")
    return common


DEFAULTS = {"url": None, "timeout": 60.0, "retries": 6, "json": False, "quiet": False}


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Return the arguments, with DEFAULTS for missing options. Exits if they are invalid."""
    argv = sys.argv[1:] if argv is None else argv
    return argparse.Namespace(**{**DEFAULTS, **vars(build_parser(argv).parse_args(_with_fit_values(argv)))})


def _with_fit_values(argv: Sequence[str]) -> list[str]:
    """Return the arguments with a value for each `--fit`. Without one, the argument after it is an image."""
    following = [*argv[1:], ""]
    return [
        "--fit=digit" if argument == "--fit" and after not in FITS else argument
        for argument, after in zip(argv, following, strict=False)
    ]


def _add_images(parser: argparse.ArgumentParser) -> None:
    images = parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file; - reads stdin")
    images.complete = FILES  # type: ignore[attr-defined]
    _add_model(parser)
    _add_among(parser)
    parser.add_argument("--show", action="store_true", help="draw the image that --fit produced")
    parser.set_defaults(run=single.classify)


def _add_bulk(parser: argparse.ArgumentParser) -> None:
    text = "folders, image files or patterns, or one zip, tar, .npy, IDX or NDJSON file; - reads such a file from stdin"
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=text).complete = FILES  # type: ignore[attr-defined]
    _add_out(parser)
    _add_model(parser)
    _add_among(parser)
    parser.add_argument("--expire-s", type=float, metavar="S", help="images without a result after S seconds expire")
    parser.set_defaults(run=bulk.bulk)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="job id")
    _add_out(parser)
    parser.set_defaults(run=bulk.results)


def _add_out(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument("--out", default=bulk.STDIO, metavar="FILE", help="output file (default: stdout)")
    out.complete = FILES  # type: ignore[attr-defined]
    parser.add_argument("--format", choices=list(FORMATS), help="output format (default: the suffix of the file)")
    parser.add_argument("--restart", action="store_true", help="start again instead of resuming an interrupted command")


def _add_among(parser: argparse.ArgumentParser) -> None:
    text = "with --fit number: a file with up to 1,000 valid strings, one per line; the most likely one is the answer"
    parser.add_argument("--among", metavar="FILE", help=text).complete = FILES  # type: ignore[attr-defined]


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="NAME", help="model, or a version of it: name@3 (default: that of the service)"
    )
    text = "accept images of any size, and find the digit in them (--fit alone), or a number of several digits"
    parser.add_argument("--fit", choices=FITS, help=text)
    text = "the score from which an answer is not unsure, from 0 to 1, or `rule` for the threshold of the version"
    parser.add_argument("--accept", type=_accept, metavar="SCORE", help=text)
    text = "with --model: what happens to pictures of another size (default: as the card of the version says)"
    parser.add_argument("--resize", choices=get_args(Resize), help=text)
    parser.add_argument("--top", type=int, metavar="N", help="with --model: number of best labels in the results")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("index", type=int, help="index of the image, from 0")
    parser.add_argument("--show", action="store_true", help="draw the image in the terminal")
    out = parser.add_argument("--out", metavar="FILE", help="write the image as PNG")
    out.complete = FILES  # type: ignore[attr-defined]
    parser.set_defaults(run=single.dataset)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    text = "image files to send in turn (default: test images of the service), or one archive or array to send as jobs"
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=text).complete = FILES  # type: ignore[attr-defined]
    text = f"concurrent connections (default: {bench.CONNECTIONS}, or 1 for jobs)"
    parser.add_argument("--connections", type=int, metavar="N", help=text)
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="duration (default: 5)")
    text = "after a refusal, wait as long as Retry-After says; jobs always do"
    parser.add_argument("--patient", action="store_true", help=text)
    _add_model(parser)
    parser.set_defaults(run=bench.bench)


def _version() -> str:
    for name in ("mnistified-client", "mnistified"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "(source tree)"


def _accept(text: str) -> Accept:
    """Parse a score from 0 to 1, or `rule`. Raises ArgumentTypeError."""
    if text == "rule":
        return "rule"
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 to 1 nor `rule`")
    return score


def completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print a completion script for a shell."""
    try:
        import shtab
    except ImportError:
        raise ValueError("completion needs shtab, which is not installed: pip install shtab") from None
    print(shtab.complete(parser, shell))
    return 0
