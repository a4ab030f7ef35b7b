import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from deploy import redis_server
from deploy.local import free_port
from deploy.redis_server import find_redis_server, redis_command
from shared.errors import MnistifiedError
from tests.support.processes import ROOT, Process

READY = "Ready to accept connections"


def put_redis(directory: Path, version: str) -> Path:
    """Write a `redis-server` that only prints its version."""
    executable = directory / "redis-server"
    executable.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64 build=0'\n")
    executable.chmod(0o755)
    return executable


@contextmanager
def started(command: list[str], cwd: Path, port: int) -> Iterator["Redis"]:
    environ = {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "PYTHONPATH": str(ROOT)}
    process = Process(command, environ, cwd)
    try:
        process.wait_for_line(READY)
        with Redis(port=port, decode_responses=True) as client:
            yield client
    finally:
        assert process.stop() == 0


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "find_spec", lambda name: None)


def test_this_machine_has_a_redis_server() -> None:
    assert find_redis_server().is_file()


def test_the_server_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = put_redis(tmp_path, "7.2.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_redis_server() == executable


@pytest.mark.parametrize("version", ["5.0.7", "6.0.16", "none at all"])
def test_a_server_that_is_too_old_is_ignored(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = put_redis(tmp_path, version)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_redis_server() != executable


@pytest.mark.usefixtures("without_package")
def test_a_server_that_does_not_run_on_this_machine_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's server does not run on a Linux with another C library."""
    put_redis(tmp_path, "7.2.4").write_text("#!/no/such/interpreter\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MnistifiedError, match="no redis-server"):
        find_redis_server()


@pytest.mark.usefixtures("without_package")
def test_without_a_server_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MnistifiedError, match=r"no redis-server 6\.2 or newer .* set REDIS_URL"):
        find_redis_server()


def test_the_command_keeps_redis_to_this_machine(tmp_path: Path) -> None:
    command = redis_command(Path("/somewhere/redis-server"), 7000, tmp_path)
    assert command[0] == "/somewhere/redis-server"
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--bind"], options["--port"], options["--dir"]) == ("127.0.0.1", "7000", str(tmp_path))


@pytest.mark.slow
def test_it_starts_and_logs_every_write_and_evicts_nothing(tmp_path: Path) -> None:
    port = free_port()
    with started(redis_command(find_redis_server(), port, tmp_path), tmp_path, port) as client:
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.slow
def test_the_module_serves_the_port_of_redis_url_and_keeps_its_data_under_the_run_directory(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deploy.redis_server"]
    with started(command, tmp_path, port) as client:
        client.set("kept", "yes")
    assert any((tmp_path / ".run/redis").iterdir())
    with started(command, tmp_path, port) as client:
        assert client.get("kept") == "yes"
