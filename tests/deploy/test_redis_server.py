import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import Redis, RedisError

from deploy import redis_server
from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command
from shared.errors import MnistifiedError, SettingError
from tests.support.processes import ROOT, Process

RECORDED = Path(__file__).with_name("redis-6.2.aof")
READY = "Ready to accept connections"


def put_redis(directory: Path, version: str, name: str = "redis-server") -> Path:
    """Write a server that only prints its version."""
    executable = directory / name
    executable.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64 build=0'\n")
    executable.chmod(0o755)
    return executable


@contextmanager
def started(command: list[str], cwd: Path, port: int, password: str = "") -> Iterator["Redis"]:
    environ = {"REDIS_URL": f"redis://:{quote(password, safe='')}@127.0.0.1:{port}/0", "PYTHONPATH": str(ROOT)}
    process = Process(command, environ, cwd)
    try:
        process.wait_for_line(READY)
        if password:
            assert password not in process.output + Path(f"/proc/{process.pid}/cmdline").read_text()
        with Redis(port=port, password=password or None, decode_responses=True) as client:
            yield client
    finally:
        assert process.stop() == 0


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setattr(redis_server, "find_spec", lambda name: None)


def test_this_machine_has_a_redis_server() -> None:
    assert find_redis_server().is_file()


def test_the_valkey_of_the_package_is_preferred_to_servers_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    put_redis(tmp_path, "8.2.0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_redis_server().name == "valkey-server"


@pytest.mark.usefixtures("without_package")
@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_a_server_on_the_path_is_used_without_the_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = put_redis(tmp_path, "7.2.4", name)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == executable


def test_the_setting_chooses_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = put_redis(tmp_path, "7.2.4", "my-redis")
    monkeypatch.setenv("REDIS_SERVER", str(executable))
    assert find_redis_server() == executable


@pytest.mark.parametrize("version", ["5.0.7", "6.0.16", "none at all"])
def test_a_server_that_is_too_old_is_refused_with_the_name_of_the_setting(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_SERVER", str(put_redis(tmp_path, version)))
    with pytest.raises(SettingError, match=r"REDIS_SERVER='.*redis-server': expected .* Redis 6\.2 or newer"):
        find_redis_server()


@pytest.mark.usefixtures("without_package")
@pytest.mark.parametrize("version", ["5.0.7", "6.0.16", "none at all"])
def test_a_server_on_the_path_that_is_too_old_is_ignored(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_redis(tmp_path, version)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MnistifiedError, match="no valkey-server or redis-server"):
        find_redis_server()


@pytest.mark.usefixtures("without_package")
def test_a_server_that_does_not_run_on_this_machine_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_redis(tmp_path, "7.2.4").write_text("#!/no/such/interpreter\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MnistifiedError, match="no valkey-server or redis-server"):
        find_redis_server()


@pytest.mark.usefixtures("without_package")
def test_without_a_server_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MnistifiedError, match=r"redis-server 6\.2 or newer on the PATH: install Valkey, or set REDIS_URL"
    ):
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
        assert client.config_get("auto-aof-rewrite-min-size") == {"auto-aof-rewrite-min-size": str(256 << 20)}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_module_serves_the_port_and_password_of_redis_url_and_keeps_its_data_private(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deploy.redis_server"]
    (tmp_path / ".run/redis").mkdir(parents=True, mode=0o755)
    with started(command, tmp_path, port, "p\u00e4ss/w@rd 'x' \"y\" #z") as client:
        client.set("kept", "yes")
        with Redis(port=port) as stranger, pytest.raises(RedisError, match=r"NOAUTH|Authentication"):
            stranger.ping()
    data_dir = tmp_path / ".run/redis"
    assert any(data_dir.iterdir())
    assert data_dir.stat().st_mode & 0o077 == 0, "nobody else may read the data"
    assert (data_dir / "password.conf").stat().st_mode & 0o077 == 0
    with started(command, tmp_path, port, "another") as client:
        assert client.get("kept") == "yes"


@pytest.mark.slow
def test_the_data_of_the_previous_releases_server_is_kept(tmp_path: Path) -> None:
    """`redis-6.2.aof` was written by Redis 6.2.14: a snapshot with a stream, then two commands."""
    shutil.copy(RECORDED, tmp_path / "appendonly.aof")
    port = free_port()
    stream = "stream:cnn:bulk:0"
    for _ in ("migrated", "restarted"):
        with started(redis_command(find_redis_server(), port, tmp_path), tmp_path, port) as client:
            assert client.hgetall("job:j1") == {"state": "running", "total": "3", "late": "1"}
            assert client.ttl("job:j1") > 0
            assert (client.get("aliases"), client.zscore("deadlines", "j1")) == ("champion=cnn@3", 5)
            assert (client.xlen(stream), client.xpending(stream, "workers")["pending"]) == (3, 1)
    assert not (tmp_path / "appendonly.aof").exists(), "the server has moved it to `appendonlydir`"
