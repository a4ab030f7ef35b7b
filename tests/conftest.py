"""Fixtures for every test: a Redis, a running system, the MNIST test set. Also the order of tests, and the final check
that no test has left a process running."""

import asyncio
import gc
import inspect
import os
import signal
import sys
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from xdist.scheduler import LoadFileScheduling

from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from shared.redis.clients import SyncClient
from tests.support.bad_redis import BadRedis
from tests.support.leftovers import MARK, find_leftovers
from tests.support.processes import ROOT, forking
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running

# These tests load TensorFlow, which takes seconds and hundreds of megabytes in each process that does. There are two
# groups, because one would take longer than all other tests in the other processes.
TRAINING_TESTS = "tests/training/"
TENSORFLOW_TESTS = (TRAINING_TESTS, "tests/worker/engine/", "tests/api/versions/test_layers.py")
BROWSER_TESTS = "tests/browser/"  # share a browser
LEFTOVER_GRACE_S = 10
SLOW_TEST_RAN = pytest.StashKey[bool]()


class FilesTogether(LoadFileScheduling):  # type: ignore[misc]
    """Runs each file of tests in one process. The files that load TensorFlow share two, those of the page one."""

    def _split_scope(self, nodeid: str) -> str:
        for group in (TRAINING_TESTS, TENSORFLOW_TESTS, BROWSER_TESTS):
            if nodeid.startswith(group):
                return str(group)
        return str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesTogether:
    return FilesTogether(config, log)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist's worker processes inherit the mark
        os.environ[MARK] = str(uuid.uuid4())
        os.environ["MNIST_MIRRORS"] = "none"  # no test uses the network


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a process that a test started outlives it."""
    if hasattr(session.config, "workerinput"):
        return
    leftovers = find_leftovers(os.environ[MARK], LEFTOVER_GRACE_S)
    if leftovers:
        print("\nTests left these processes running:", *leftovers, sep="\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the many objects of a collection out of every garbage collection, which would take longer and longer."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, object]:
    """Collect in another order in each process, so that one compiles the files that the others need later."""
    report = yield
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if isinstance(collector, pytest.Dir) and process != "gw0":
        nodes, middle = report.result, len(report.result) // 2
        report.result = nodes[::-1] if process == "gw1" else nodes[middle:] + nodes[:middle]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first: a slow file that starts last would keep one process busy while the others are idle."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("slow") is None,
            not item.nodeid.startswith(TENSORFLOW_TESTS),
            item.path,  # the same order in all processes
        )
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse files of tests that load TensorFlow: every process of the run would load it."""
    if "tensorflow" in sys.modules:
        raise pytest.UsageError("a test's file imports TensorFlow: import it in the functions that need it")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Send one report of a test that passes instead of three: a message between processes costs as much as a test."""
    options = item.config.option
    if not hasattr(item.config, "workerinput") or options.durations is not None or options.xmlpath:
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a fast test that loads TensorFlow."""
    result = yield
    if item.get_closest_marker("slow"):
        item.config.stash[SLOW_TEST_RAN] = True
    elif SLOW_TEST_RAN not in item.config.stash and "tensorflow" in sys.modules:
        pytest.fail("loads TensorFlow, which takes seconds: mark it slow")
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell's background job ignores INT, and so would every process that these tests start and interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _forking(_interruptible: None) -> Iterator[None]:
    """Fork APIs and workers instead of starting an interpreter for each."""
    with forking():
        yield


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def bad_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BadRedis]:
    """A Redis for one file of tests, whose tests put it into any condition and leave it in none."""
    server = BadRedis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def system(redis_server: RedisServer) -> Iterator[System]:
    """One API and one worker, shared by all tests that break nothing. The worker's batches have the usual size."""
    with running(redis_server.new_url(), environ={"MAX_BATCH_IMAGES": "256"}) as running_system:
        yield running_system


@pytest.fixture(scope="session")
def scratch_url(redis_server: RedisServer) -> str:
    return redis_server.new_url()


@pytest.fixture
def client(scratch_url: str) -> Iterator[SyncClient]:
    """Return a client of an empty database."""
    scratch = SyncClient.from_url(scratch_url)
    scratch.flushdb()
    yield scratch
    scratch.close()


@pytest.fixture(scope="session")
def mnist(mnist_dir: Path) -> Split:
    """Return the MNIST test set, or skip the test if MNIST_DIR has none."""
    return load_split("test", mnist_dir)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Return the folder of MNIST's test set, or skip the test."""
    found = _mnist_dir()
    if found is None:
        pytest.skip("no MNIST files: set MNIST_DIR, or run `make data`")
    return found


@pytest.fixture(scope="session")
def given_models() -> Path:
    """Return the folder of the models that other people made, or skip the test."""
    for folder in (ROOT.parent / "shared/data/models", ROOT.parents[1] / "shared/data/models"):
        if folder.is_dir():
            return folder
    pytest.skip("no models of other people in shared/data/models")


@pytest.fixture(scope="session")
def test_set() -> Split:
    """Return the images that the running system serves: MNIST, or the drawn sample."""
    return load_split("test", _mnist_dir())


@pytest.fixture(scope="session")
def model_dir() -> Path:
    return DEFAULT.directory


def _mnist_dir() -> Path | None:
    return find_mnist_dir(load_settings(os.environ).mnist_dir, "test")
