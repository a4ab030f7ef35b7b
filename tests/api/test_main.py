"""`python -m api` as a process: it starts or reports why it cannot, and it always ends."""

import hashlib
import signal
import socket
from pathlib import Path

import pytest

from api.__main__ import EXTRA_FILES
from deploy.processes import free_port
from shared.config.loopback import is_loopback
from tests.support.processes import BIN, Process
from tests.support.system import READY_S, RedisServer, running

API = [str(BIN / "python"), "-m", "api"]


@pytest.mark.slow
def test_a_port_in_use_ends_the_api_with_a_message_that_names_it(redis_server: RedisServer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        environ = {"REDIS_URL": f"redis://127.0.0.1:{redis_server.port}/0", "API_PORT": port}
        api = Process(API, environ)
        assert api.wait(timeout_s=20) == 1
        assert f"API_HOST=127.0.0.1, API_PORT={port}: Address already in use" in api.output
        assert "Traceback" not in api.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value"),
    [("API_PORT", "http"), ("MODELS_DIR", "/nowhere"), ("MNIST_DIR", "/nowhere"), ("REDIS_URL", "redis://127.0.0.1:1")],
)
def test_a_setting_that_cannot_be_used_is_named(setting: str, value: str) -> None:
    api = Process(API, {setting: value})
    assert api.wait(timeout_s=20) == 1
    (line,) = api.output.splitlines()
    assert value in line


@pytest.mark.slow
@pytest.mark.parametrize("first", ["redis", "api"])
def test_the_api_ends_on_term_also_when_redis_goes_at_the_same_time(tmp_path: Path, first: str) -> None:
    server = RedisServer(tmp_path)
    with running(server.new_url(), workers=0) as system:
        if first == "redis":
            server.process.stop()
            system.api.signal(signal.SIGTERM)
        else:
            system.api.signal(signal.SIGSTOP)
            system.api.signal(signal.SIGTERM)
            server.process.stop()
            system.api.signal(signal.SIGCONT)
        assert system.api.wait(timeout_s=20) == -signal.SIGTERM


@pytest.mark.slow
@pytest.mark.parametrize(("host", "keys", "warnings"), [("0.0.0.0", 0, 1), ("0.0.0.0", 1, 0), ("127.0.0.1", 0, 0)])  # noqa: S104
def test_an_address_that_others_reach_without_keys_is_warned_of_once(
    redis_server: RedisServer, host: str, keys: int, warnings: int
) -> None:
    environ = {"REDIS_URL": f"redis://127.0.0.1:{redis_server.port}/0", "API_PORT": str(free_port()), "API_HOST": host}
    environ["API_KEYS"] = f"alice:{hashlib.sha256(b'secret').hexdigest()}" * keys
    api = Process(API, environ)
    api.wait_for_line("Application startup complete", READY_S)
    api.stop()
    assert api.output.count(f"API_HOST={host} without API_KEYS") == warnings


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("::", False),
        ("example.org", False),
    ],
)
def test_only_this_machine_is_a_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@pytest.mark.slow
def test_the_limit_on_open_files_is_raised_to_what_the_connections_need(redis_server: RedisServer) -> None:
    command = ["bash", "-c", f"ulimit -Sn 128; exec {' '.join(API)}"]
    environ = {"REDIS_URL": f"redis://127.0.0.1:{redis_server.port}/0", "API_PORT": str(free_port())}
    api = Process(command, environ | {"MAX_CONNECTIONS": "200"})
    api.wait_for_line("Application startup complete", READY_S)
    limits = Path(f"/proc/{api.pid}/limits").read_text()
    api.stop()
    open_files = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(open_files.split()[3]) == 200 + EXTRA_FILES
