"""`python -m api`, as a process: it starts, or says why not, and it always ends."""

import signal
import socket
from pathlib import Path

import pytest

from tests.processes import BIN, Process
from tests.system import RedisServer, running


def test_a_port_in_use_ends_the_api_with_a_message_that_names_it(redis_server: RedisServer) -> None:
    """Ten times: the tasks beside the server are cancelled while they connect, which is a matter of moments."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        environ = {"REDIS_URL": f"redis://127.0.0.1:{redis_server.port}/0", "API_PORT": port}
        apis = [Process([str(BIN / "python"), "-m", "api"], environ) for _ in range(10)]
        for api in apis:
            assert api.wait(timeout_s=20) != 0
            assert port in api.output


@pytest.mark.parametrize(
    ("setting", "value"), [("API_PORT", "http"), ("MODELS_DIR", "/nowhere"), ("MNIST_DIR", "/nowhere")]
)
def test_a_setting_that_cannot_be_used_is_named(setting: str, value: str) -> None:
    api = Process([str(BIN / "python"), "-m", "api"], {setting: value})
    assert api.wait(timeout_s=20) == 1
    assert value in api.output
    assert "Traceback" not in api.output


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
