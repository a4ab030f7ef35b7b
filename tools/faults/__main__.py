"""`python -m tools.faults`, or `make faults`: do harm to a running service, and account for every image it accepted.

Each drill has a service of its own, of real processes under a load of singles and jobs. Ends with 1 when an image was
lost, answered twice or wrongly, or when the service did not come back.
"""

import argparse
import signal
import sys
from pathlib import Path

import orjson

from shared.errors import ModelError
from shared.models.registry import ModelVersion
from tools.faults.drills.run import DRILLS, Outcome, run_drill
from tools.faults.load.images import make_pictures
from tools.faults.load.other_model import read_other
from tools.faults.report import report, row, to_json_content
from tools.faults.system.service import SETTINGS

SHORT_REPETITIONS = 1


def main() -> None:
    arguments = parse_arguments(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the children end on TERM too
    repetitions = SHORT_REPETITIONS if arguments.short else arguments.repetitions
    names = arguments.drills
    if arguments.also is not None and "upgrade" in names:
        print("without the drill upgrade: the previous release serves only images of MNIST's shape")
        names = tuple(name for name in names if name != "upgrade")
    print(f"seed {arguments.seed}, {repetitions} repetitions of each drill", flush=True)
    pictures = make_pictures()
    outcomes: list[Outcome] = []
    for name in names:
        outcomes.append(run_drill(DRILLS[name], pictures, arguments.seed, repetitions, arguments.also))
        print(" · ".join((*row(outcomes[-1]), f"{outcomes[-1].seconds:.0f} s")), file=sys.stderr, flush=True)
    print(report(outcomes, arguments.seed, SETTINGS))
    if arguments.out is not None:
        content = to_json_content(outcomes, arguments.seed, SETTINGS)
        arguments.out.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    sys.exit(not all(outcome.clean for outcome in outcomes))


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of every choice that a drill makes (default: 1)")
    parser.add_argument("--repetitions", type=int, default=10, help="of each drill (default: 10)")
    parser.add_argument("--short", action="store_true", help="each drill once")
    parser.add_argument("--drills", type=drills, default=tuple(DRILLS), help=f"some of {','.join(DRILLS)}")
    parser.add_argument(
        "--also", type=version, metavar="FOLDER", help="send images for this version, too, such as models/person/1"
    )
    parser.add_argument("--out", type=Path, help="file for the same as JSON")
    return parser.parse_args(words)


def version(text: str) -> ModelVersion:
    try:
        return read_other(Path(text))
    except ModelError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def drills(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(DRILLS):
        raise argparse.ArgumentTypeError(f"no drill {', '.join(sorted(unknown))}; available: {', '.join(DRILLS)}")
    return names


if __name__ == "__main__":
    main()
