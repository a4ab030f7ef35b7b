"""A second API process in addition to the shared system's, and the proxy in front of both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.processes import free_port
from tests.support.proxy import Proxy, another_api
from tests.support.system import System


@pytest.fixture(scope="session")
def other_api(system: System) -> Iterator[int]:
    port = free_port()
    with another_api(system, port):
        yield port


@pytest.fixture(scope="session")
def proxy(system: System, other_api: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path_factory.mktemp("proxy"), [system.port, other_api])
    yield proxy
    assert proxy.process.stop() == 0


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """Return a function that starts a proxy in front of the given API ports."""
    started: list[Proxy] = []

    def start(api_ports: list[int], environ: dict[str, str] | None = None) -> Proxy:
        started.append(Proxy(tmp_path / f"proxy-{len(started)}", api_ports, environ))
        return started[-1]

    yield start
    for proxy in started:
        assert proxy.process.stop() == 0
