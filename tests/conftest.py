"""What every test may ask for: a Redis, a running system, the MNIST test set."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: begun last, a file of them would keep one process busy while the others have no work."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell's background job ignores INT, and so would every process that these tests start and interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.process.stop()


@pytest.fixture(scope="session")
def system(redis_server: RedisServer) -> Iterator[System]:
    """One API and one worker, shared by all tests that break nothing."""
    with running(redis_server.new_url()) as running_system:
        yield running_system


@pytest.fixture(scope="session")
def scratch_url(redis_server: RedisServer) -> str:
    return redis_server.new_url()


@pytest.fixture
def client(scratch_url: str) -> Iterator["redis.Redis"]:
    """An empty database."""
    scratch = redis.Redis.from_url(scratch_url)
    scratch.flushdb()
    yield scratch
    scratch.close()


@pytest.fixture(scope="session")
def mnist() -> Split:
    """The MNIST test set; skipped, visibly, where MNIST_DIR has none."""
    mnist_dir = _mnist_dir()
    if mnist_dir is None:
        pytest.skip("no MNIST files: set MNIST_DIR, or run `make data`")
    return load_split("test", mnist_dir)


@pytest.fixture(scope="session")
def test_set() -> Split:
    """What the running system serves: MNIST, or the drawn sample."""
    return load_split("test", _mnist_dir())


@pytest.fixture(scope="session")
def model_dir() -> Path:
    return DEFAULT.directory


def _mnist_dir() -> Path | None:
    return find_mnist_dir(load_settings(os.environ).mnist_dir)
