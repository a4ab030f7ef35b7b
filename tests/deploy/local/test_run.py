import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis, RedisError

from deploy.local import checks, mnist, run
from deploy.local.mnist import find_test_images
from deploy.processes import free_port
from shared.config.settings import load_settings
from shared.data import dataset
from shared.data.dataset import FILES, load_split
from shared.errors import MnistifiedError, SettingError
from tests.support.processes import ROOT, Process, wait_until
from tests.support.system import RedisServer
from tests.support.threads import serving

Json = dict[str, Any]

# With a small model and small batches, a worker is calibrated sooner.
QUICK_START = {"MODELS_DIR": str(ROOT / "models"), "DEFAULT_MODEL": "cnn-small", "MAX_BATCH_IMAGES": "32"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty working directory, and settings that leave running services alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("MODELS_DIR", str(ROOT / "models"))
    monkeypatch.setenv("API_PORT", str(free_port()))
    monkeypatch.setenv("FLOWER_PORT", str(free_port()))
    return tmp_path


@pytest.mark.parametrize("setting", ["API_PORT", "FLOWER_PORT"])
def test_a_port_in_use_is_named_with_its_setting(
    setting: str, taken_port: int, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, str(taken_port))
    with pytest.raises(
        SettingError,
        match=rf"port {taken_port} of 127\.0\.0\.1 .*in use, by process {os.getpid()} .*another with {setting}",
    ):
        run.run(1)
    assert not any(elsewhere.iterdir()), "nothing is left where nothing was started"


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("MNIST_DIR", "/nope", "MNIST_DIR=/nope has no "),
        ("MODELS_DIR", "/nope", "/nope"),
        ("DEFAULT_MODEL", "nope", "no model 'nope'"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "REDIS_URL='redis://127.0.0.1:1/0': Redis is unreachable"),
        ("REDIS_SERVER", "/nope", "REDIS_SERVER='/nope'"),
        ("API_PORT", "x", "API_PORT='x': expected 1 to 65535"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence_before_anything_starts(
    setting: str, value: str, message: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    with pytest.raises(MnistifiedError, match=re.escape(message)) as raised:
        run.run(1)
    assert "\n" not in str(raised.value)
    assert not any(elsewhere.iterdir())


def test_closed_standard_streams_are_no_obstacle(elsewhere: Path) -> None:
    script = (
        "import os, sys; from deploy.local import run\n"
        "run.occupy_standard_descriptors()\n"
        "assert sys.stdout is None and 'LOG_FORMAT' not in run.child_environ({}, 1)\n"
        "sys.exit(os.open('x', os.O_CREAT | os.O_WRONLY))"
    )
    command = ["sh", "-c", f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-', script]
    assert subprocess.run(command, cwd=elsewhere, env={"PYTHONPATH": str(ROOT)}, check=False).returncode > 2


def test_a_free_port_is_no_error() -> None:
    checks.check_port_free("API_PORT", "127.0.0.1", free_port())


@pytest.mark.parametrize("workers", [0, -2])
def test_at_least_one_worker_is_required(workers: int, elsewhere: Path) -> None:
    with pytest.raises(SettingError, match=f"--workers {workers}: expected 1 or more"):
        run.run(workers)
    assert not any(elsewhere.iterdir())


def test_without_any_redis_nothing_is_started(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none() -> Path:
        raise MnistifiedError("no redis-server")

    monkeypatch.setattr(run, "find_redis_server", find_none)
    with pytest.raises(MnistifiedError, match="no redis-server"):
        run.run(1)
    assert not any(elsewhere.iterdir())


@pytest.mark.usefixtures("elsewhere")
def test_an_error_ends_the_program_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["local", "--workers", "0"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == "run: --workers 0: expected 1 or more"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "flower.example.org"])  # noqa: S104  # refused
def test_flower_is_not_open_to_other_machines_without_a_password(
    host: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    monkeypatch.delenv("FLOWER_AUTH", raising=False)
    monkeypatch.setenv("FLOWER_HOST", host)
    with pytest.raises(SettingError, match=f"FLOWER_HOST='{host}': .* set FLOWER_BASIC_AUTH=user:password"):
        run.run(1)
    assert not any(elsewhere.iterdir())


def test_flower_is_open_to_other_machines_with_a_password_and_to_this_machine_without() -> None:
    checks.check_flower_guarded("10.0.0.7", {"FLOWER_BASIC_AUTH": "me:secret"})
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        checks.check_flower_guarded(host, {})
    with pytest.raises(SettingError):
        checks.check_flower_guarded("10.0.0.7", {"FLOWER_BASIC_AUTH": ""})


def test_an_empty_password_of_flower_is_as_good_as_none() -> None:
    assert "FLOWER_BASIC_AUTH" not in run.child_environ({"FLOWER_BASIC_AUTH": ""}, 1)
    assert run.child_environ({"FLOWER_BASIC_AUTH": "me:secret"}, 1)["FLOWER_BASIC_AUTH"] == "me:secret"


@pytest.mark.parametrize(
    ("terminal", "environ", "log_format"),
    [
        (True, {}, "text"),
        (True, {"LOG_FORMAT": "auto"}, "text"),
        (True, {"LOG_FORMAT": "json"}, "json"),
        (False, {}, None),
        (False, {"LOG_FORMAT": "text"}, "text"),
    ],
)
def test_logs_on_a_terminal_are_text_although_they_pass_through_a_pipe(
    terminal: bool, environ: dict[str, str], log_format: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: terminal)
    assert run.child_environ(environ, 1).get("LOG_FORMAT") == log_format


@pytest.mark.parametrize(("cores", "workers", "threads"), [(8, 1, "8"), (8, 3, "2"), (2, 4, "1")])
def test_the_workers_share_the_cores(cores: int, workers: int, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "usable_cores", lambda: cores)
    assert run.child_environ({}, workers)["ENGINE_THREADS"] == threads


def test_a_setting_of_engine_threads_is_kept() -> None:
    assert run.child_environ({"ENGINE_THREADS": "5"}, 2)["ENGINE_THREADS"] == "5"


def test_children_find_this_virtual_environments_programs_first_and_keep_the_rest() -> None:
    environ = {"PATH": "/usr/bin", "MAX_ATTEMPTS": "9"}
    children = run.child_environ(environ, 1)
    assert children["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]
    assert children["MAX_ATTEMPTS"] == "9"
    assert environ == {"PATH": "/usr/bin", "MAX_ATTEMPTS": "9"}, "what was passed in is left as it was"


@contextmanager
def mirror_of(folder: Path) -> Iterator[str]:
    """Serve the files of a folder over HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, serving(server):
        yield f"http://127.0.0.1:{server.server_port}/"


def test_the_test_set_of_mnist_is_downloaded_once(
    mnist_dir: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dataset, "REPOSITORY", elsewhere / "repository")
    with mirror_of(mnist_dir) as mirror:
        monkeypatch.setenv("MNIST_MIRRORS", mirror)
        settings = load_settings(os.environ)
        assert find_test_images(settings, print) == {"MNIST_DIR": str(elsewhere / "data/mnist")}
        assert load_split("test", elsewhere / "data/mnist").about == "10,000 images of MNIST"
    assert {path.name for path in (elsewhere / "data/mnist").iterdir()} == {f"{name}.gz" for name in FILES["test"]}
    capfd.readouterr()
    assert find_test_images(settings, print) == {"MNIST_DIR": str(elsewhere / "data/mnist")}, "the mirror is gone"
    assert "downloading" not in capfd.readouterr().out


def test_without_a_network_digits_are_drawn_after_a_short_time(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dataset, "REPOSITORY", elsewhere / "repository")
    monkeypatch.setattr(mnist, "FETCH_LIMIT_S", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # and never accepts
        monkeypatch.setenv("MNIST_MIRRORS", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert find_test_images(load_settings(os.environ), print) == {}
    assert "MNIST cannot be downloaded (not within 2 s)" in capsys.readouterr().out
    monkeypatch.setattr(mnist, "FETCH_LIMIT_S", 60)
    assert find_test_images(load_settings(os.environ), print) == {}
    shown = capsys.readouterr().out
    assert re.search(r"MNIST cannot be downloaded \(http://127.*refused\)", shown), shown
    assert "200 digits drawn by this project, not MNIST" in shown
    assert list(elsewhere.iterdir()) == []


def get(url: str) -> tuple[int, Json]:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # our own address
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def processes_in(directory: Path) -> dict[int, str]:
    """Return the command lines of all other processes that work in `directory` or below, by process id."""
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name != str(os.getpid()) and Path(os.readlink(process / "cwd")).is_relative_to(directory):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has just ended
    return found


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_system_starts_replaces_a_killed_worker_and_stops_on_ctrl_c(elsewhere: Path) -> None:
    api = f"http://127.0.0.1:{os.environ['API_PORT']}"
    environ = {"PYTHONPATH": str(ROOT), "ENGINE": "litert", **QUICK_START}
    process = Process([sys.executable, "-m", "deploy.local"], environ, cwd=elsewhere)

    def worker_pids() -> set[int]:
        return {worker["pid"] for worker in get(f"{api}/status")[1]["workers"]}

    try:
        process.wait_for_line("MNISTified is ready (1 worker)", timeout_s=60)
        process.wait_for_line("Ctrl-C stops")
        assert len(process.output.splitlines()) <= 20, process.output
        assert f"  API     {api} " in process.output
        assert f"  Flower  http://127.0.0.1:{os.environ['FLOWER_PORT']}" in process.output
        assert f"  Log     {elsewhere}/.run/service.log" in process.output
        assert "worker-1 | " in (elsewhere / ".run/service.log").read_text()
        assert get(f"{api}/readyz") == (200, {"status": "ok", "workers": 1})
        check_only_the_service_knows_the_password(elsewhere)
        check_a_second_start_is_refused(elsewhere, environ, process.pid)

        (killed,) = worker_pids()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: worker_pids() not in (set(), {killed}), "another worker")
        assert get(f"{api}/readyz")[0] == 200
        process.wait_for_line("worker-1 was killed by SIGKILL, and starts again")

        running = " ".join(processes_in(elsewhere).values())
        assert all(
            name in running
            for name in ("valkey-server", "api", "worker.app worker", "worker.tasks.app worker", "worker.flower")
        )
        assert "worker.tasks.trainer" not in running, "only on request"
    finally:
        process.signal(signal.SIGINT)
        status = process.wait(timeout_s=60)
    assert status == 0, process.output
    assert "stopped" in process.output
    assert processes_in(elsewhere) == {}
    assert not (elsewhere / ".run/redis-url").exists()


def check_only_the_service_knows_the_password(folder: Path) -> None:
    url = (folder / ".run/redis-url").read_text()
    password = urlsplit(url).password
    assert password
    with Redis.from_url(url) as client:
        assert client.ping()
    with (
        Redis.from_url(url.replace(f":{password}@", "")) as stranger,
        pytest.raises(RedisError, match=r"NOAUTH|Authentication"),
    ):
        stranger.ping()
    assert password not in " ".join(processes_in(folder).values())
    assert password not in (folder / ".run/service.log").read_text()
    private = [folder / ".run", folder / ".run/redis", folder / ".run/redis-url", folder / ".run/service.log"]
    assert [oct(path.stat().st_mode & 0o077) for path in private] == ["0o0"] * len(private)


def check_a_second_start_is_refused(folder: Path, environ: dict[str, str], pid: int) -> None:
    """Start it again in the same folder with other ports, so that only the folder is in use."""
    ports = {"API_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    second = Process([sys.executable, "-m", "deploy.local"], environ | ports, cwd=folder)
    assert second.wait() == 1
    assert second.output.startswith(f"run: the folder {folder}/.run is in use by process {pid} (")
    assert len(second.output.splitlines()) == 1


# Takes a terminal as the session's own and waits for the command, as GNU make does: it does not pass a HUP on.
IN_TERMINAL = """
import fcntl, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.exit(subprocess.call(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_guarded_system_requires_its_secrets_logs_none_and_ends_with_its_terminal(
    elsewhere: Path, tmp_path_factory: Any
) -> None:
    """Use passwords for Redis and Flower and keys for the API, read the whole log, and close the terminal."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--requirepass", "hunter2")
    environ = {
        **QUICK_START,
        "PYTHONPATH": str(ROOT),
        "ENGINE": "litert",
        "LOG_LEVEL": "debug",
        "REDIS_URL": server.new_url().replace("//", "//:hunter2@"),
        "API_KEYS": f"alice:{sha256(b'key-of-alice').hexdigest()}",
        "FLOWER_BASIC_AUTH": "me:open-sesame",
    }
    terminal, inner = os.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, sys.executable, "-m", "deploy.local"]
    process = subprocess.Popen(
        command,
        env=os.environ | environ,
        cwd=elsewhere,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    try:
        shown = read_until(terminal, b"Ctrl-C stops")
        assert (elsewhere / ".run/redis-url").stat().st_mode & 0o077 == 0, "for nobody else to read"
        classify = f"http://127.0.0.1:{os.environ['API_PORT']}/mnist/classify/3"
        assert httpx.get(classify).status_code == 401
        assert httpx.get(classify, headers={"X-API-Key": "key-of-alice"}).status_code == 200

        log = elsewhere / ".run/service.log"
        wait_until(lambda: "Visit me at" in log.read_text(), "Flower", 60)
        for page in ("/workers", "/broker", "/api/workers"):
            flower = f"http://127.0.0.1:{os.environ['FLOWER_PORT']}{page}"
            assert httpx.get(flower).status_code == 401
            assert httpx.get(flower, auth=("me", "wrong")).status_code == 401
            assert httpx.get(flower, auth=("me", "open-sesame")).status_code == 200
    finally:
        os.close(terminal)
        status = process.wait(60)
        server.process.stop()
    assert status == 0
    assert processes_in(elsewhere) == {}, "nothing outlives the terminal"
    for secret in ("hunter2", "key-of-alice", "open-sesame"):
        assert secret not in shown + log.read_text()


def read_until(terminal: int, end: bytes) -> str:
    """Read a terminal until it has shown `end`. Return what it has shown."""
    shown = b""
    while end not in shown:
        shown += os.read(terminal, 10_000)
    return shown.decode()
