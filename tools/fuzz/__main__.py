"""`python -m tools.fuzz --seconds 60`: fuzz every target for its share; `--hostile`: send the corpus to a system."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.config.settings import load_settings
from shared.data.dataset import find_mnist_dir, load_split
from tests.support.processes import ROOT
from tests.support.system import RedisServer, running
from tools.fuzz.case import Case, is_asked
from tools.fuzz.corpus_costly import COSTLY
from tools.fuzz.corpus_shaped import SHAPED, make_registry
from tools.fuzz.hostile import all_cases, try_all
from tools.fuzz.targets import SEEDS, TARGETS

EXECUTIONS = re.compile(r"stat::number_of_executed_units: (\d+)")
FUZZER_OPTIONS = ("-seed=1", "-print_final_stats=1", "-rss_limit_mb=1024", "-timeout=10", "-max_len=20000")
STARTUP_S = 60
TIMEOUT_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="time of all targets together")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="only this; may be repeated")
    parser.add_argument(
        "--findings", type=Path, default=ROOT / "build" / "fuzz", help="where inputs that fail are kept"
    )
    parser.add_argument("--hostile", action="store_true", help="instead: the corpus of hostile bodies over HTTP")
    parser.add_argument(
        "--only", default="", help="with --hostile: only groups whose name contains one of these texts, as `zip,tar`"
    )
    arguments = parser.parse_args()
    if arguments.hostile:
        sys.exit(hostile(arguments.only.split(",")))
    names = arguments.target or sorted(TARGETS)
    share_s = max(1, arguments.seconds // len(names))
    findings = sum(fuzz(name, share_s, arguments.findings) for name in names)
    print(f"{findings} findings", flush=True)
    sys.exit(findings > 0)


def cases_of(only: Sequence[str]) -> Iterator[Case]:
    """Yield the cases of the groups whose name contains one of the texts."""
    if not all(text.startswith("costly") for text in only):
        yield from (case for case in all_cases() if is_asked(case.group, only))
    for group, build in {**COSTLY, **SHAPED}.items():
        if is_asked(group, only):
            yield from build()


def hostile(only: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as data_dir:
        models_dir = make_registry(Path(folder), only)
        redis_server = RedisServer(Path(data_dir))
        try:
            with running(redis_server.new_url(), environ={"MODELS_DIR": str(models_dir)}) as system:
                system.http.timeout = TIMEOUT_S  # a million lines are eleven CPU seconds
                test_set = load_split("test", find_mnist_dir(load_settings(os.environ).mnist_dir, "test"))
                report = try_all(system, test_set, cases_of(only))
        finally:
            redis_server.process.stop()
    print("\n".join(report.lines()))
    return 0 if report.passed else 1


def fuzz(name: str, seconds: int, findings_dir: Path) -> int:
    """Fuzz a target. Return 1 if it failed, keep the input and print the last lines; else return 0."""
    findings_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        command = [sys.executable, "-m", "tools.fuzz.harness", name, f"-max_total_time={seconds}", *FUZZER_OPTIONS]
        command += [f"-artifact_prefix={findings_dir}/{name}-", corpus]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=seconds + STARTUP_S
        )
    output = done.stdout + done.stderr
    executions = EXECUTIONS.search(output)
    count = int(executions[1]) if executions else 0
    failed = done.returncode != 0 or not count
    print(f"{name:10} {count:9} executions  {int(failed)} findings", flush=True)
    if failed:
        print("\n".join(output.splitlines()[-40:]), flush=True)
    return int(failed)


if __name__ == "__main__":
    main()
