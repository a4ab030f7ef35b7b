import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.program import describe_status, parse_procfile
from deploy.local.supervise import Supervisor
from deploy.run_dir import LogFile
from shared.errors import MnistifiedError
from tests.support.processes import ROOT, Process, wait_until

OUR_PROCFILE = (ROOT / "deploy" / "Procfile").read_text()
COUNTING = "echo started >>starts; test $(wc -l <starts) -gt {exits} || exit 3; exec sleep 100"
# Starts a program, says its process id, and watches it until a signal.
SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from deploy.run_dir import LogFile
    from deploy.local.supervise import StoppedError, Supervisor
    supervisor = Supervisor({"PATH": "/usr/bin:/bin"}, LogFile(Path("log")), lambda line: print(line, flush=True))
    supervisor.handle_signals()
    supervisor.start("worker", "worker-1", sys.argv[1])
    print("pid", supervisor._programs[0].process.pid, flush=True)
    try:
        supervisor.watch()
    except StoppedError:
        print("stopping", flush=True)
        supervisor.stop()
        print("stopped", flush=True)
""")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.chdir(tmp_path)
    log = LogFile(tmp_path / "log")
    supervisor = Supervisor({"PATH": "/usr/bin:/bin"}, log, said.append)
    yield supervisor
    supervisor.close()
    log.close()


def logged(text: str) -> bool:
    return text in Path("log").read_text()


def test_a_line_is_a_name_and_a_command() -> None:
    assert parse_procfile("web: serve --port 80\nbg-jobs:run it: now\n") == {
        "web": "serve --port 80",
        "bg-jobs": "run it: now",
    }


def test_comments_and_blank_lines_are_ignored() -> None:
    assert parse_procfile("# what runs\n\n  \nweb: serve\n") == {"web": "serve"}


@pytest.mark.parametrize("line", ["no colon", "Upper: case", ": nothing", "web:", "two words: x"])
def test_a_line_that_is_neither_is_refused_and_shown(line: str) -> None:
    with pytest.raises(ValueError, match=f"Procfile: '{line}' is not"):
        parse_procfile(f"web: serve\n{line}\n")


def test_the_repository_runs_redis_the_api_all_kinds_of_worker_and_flower() -> None:
    kinds = ["redis", "api", "worker", "tasks", "trainer", "door", "flower"]
    assert list(parse_procfile(OUR_PROCFILE)) == kinds


def test_output_goes_to_the_log_with_the_name_of_its_program_unless_it_is_json(supervisor: Supervisor) -> None:
    supervisor.start(
        "api", "api", """sh -c 'echo one; echo two >&2; echo "{\\"a\\":1}"; printf unfinished; exec sleep 100'"""
    )
    supervisor.start("worker", "worker-2", "sh -c 'echo $PROCESS_NAME; exec sleep 100'")
    supervisor.wait_until(lambda: logged('{"a":1}') and logged("worker-2 | worker-2\n"))
    assert Path("log").read_text().replace("worker-2 | worker-2\n", "") == 'api | one\napi | two\n{"a":1}\n'


def test_a_program_that_exits_is_started_again_and_the_exit_is_printed(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start("worker", "worker-1", f"sh -c '{COUNTING.format(exits=1)}'")
    supervisor.wait_until(lambda: Path("starts").exists() and Path("starts").read_text().count("started") == 2)
    assert said == ["worker-1 exited with status 3, and starts again"]
    assert logged("run | worker-1 exited with status 3, and starts again\n")


def test_a_program_that_keeps_exiting_before_the_service_is_ready_ends_the_start_with_its_last_lines(
    supervisor: Supervisor,
) -> None:
    supervisor.start("api", "api", "sh -c 'echo reason >&2; exit 1'")
    with pytest.raises(MnistifiedError, match=r"api exited with status 1:\n  reason"):
        supervisor.wait_until(lambda: False)


@pytest.mark.parametrize(
    ("returncode", "words"),
    [(0, "exited with status 0"), (-9, "was killed by SIGKILL"), (-40, "was killed by signal 40")],
)
def test_the_end_of_a_process_is_described(returncode: int, words: str) -> None:
    assert describe_status(returncode) == words


def test_programs_that_send_work_stop_before_the_workers_and_redis_stops_last(
    supervisor: Supervisor,
) -> None:
    for name in ("redis", "worker", "api"):
        supervisor.start(
            name, name, f"sh -c 'trap \"echo {name} >>ends; exit\" TERM; echo up >{name}; while :; do sleep 0.02; done'"
        )
    supervisor.wait_until(lambda: all(Path(name).exists() for name in ("redis", "worker", "api")))
    supervisor.stop()
    assert Path("ends").read_text().split() == ["api", "worker", "redis"]


def started(folder: Path, command: str) -> tuple[Process, int]:
    """Run SCRIPT, and return it with the process id of its program."""
    process = Process([sys.executable, "-c", SCRIPT, command], {"PYTHONPATH": str(ROOT)}, cwd=folder)
    return process, int(process.wait_for_line("pid").split()[1])


def is_running(pid: int) -> bool:
    """A process that has exited and that nobody has waited for does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a killed process")
def test_the_programs_of_a_supervisor_that_is_killed_are_killed_with_it(tmp_path: Path) -> None:
    process, pid = started(tmp_path, "sleep 100")
    assert is_running(pid)
    process.signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not is_running(pid), "the program is gone too")


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_of_an_end_stops_everything(signum: signal.Signals, tmp_path: Path) -> None:
    process, pid = started(tmp_path, "sleep 100")
    process.signal(signum)
    assert process.wait() == 0
    assert "stopped" in process.output
    assert not is_running(pid)


@pytest.mark.slow
def test_the_second_signal_kills_a_program_that_does_not_stop(tmp_path: Path) -> None:
    process, pid = started(tmp_path, "sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'")
    wait_until(lambda: "up" in (tmp_path / "log").read_text(), "the program ignores TERM")
    process.signal(signal.SIGINT)
    process.wait_for_line("stopping")
    process.signal(signal.SIGINT)
    process.wait_for_line("stopping at once")
    assert process.wait() == 0
    assert not is_running(pid)


@pytest.mark.slow
def test_the_hangup_of_a_terminal_is_ignored_if_it_was_ignored_before_as_by_nohup(tmp_path: Path) -> None:
    command = ["sh", "-c", 'trap "" HUP; exec "$@" </dev/null', "sh", sys.executable, "-c", SCRIPT, "sleep 100"]
    process = Process(command, {"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    process.wait_for_line("pid")
    process.signal(signal.SIGHUP)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "stopping at once" not in process.output, "only the second signal counts"


@pytest.mark.slow
def test_output_is_written_although_it_cannot_be_opened_again(tmp_path: Path) -> None:
    """A user cannot open `/dev/fd/1` if root has opened it (`su someone -c 'make run'`). Nobody can open a socket."""
    ours, output = socket.socketpair()
    with ours:
        command = [sys.executable, "-c", SCRIPT, "sh -c 'echo hello; exec sleep 100'"]
        with output:
            process = subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path, stdout=output.fileno())
        log = tmp_path / "log"
        try:
            wait_until(lambda: log.exists() and "worker-1 | hello" in log.read_text(), "the program's output")
        finally:
            process.terminate()
            assert process.wait(10) == 0
        assert b"stopped" in ours.recv(1000)
