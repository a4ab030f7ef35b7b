"""An idle connection is closed by the sweep, and not before its time."""

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from api.http.capacity import EventStreams
from api.http.connections.limits import SWEEP_S, ConnectionLimits, LimitedProtocol
from api.http.responses import send_body
from api.metrics import Metrics
from shared.config.settings import Settings

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: Any) -> None:
        """Send nothing."""

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send_body(send, 200, b"", [])


def sweeps_until_closed(protocol: LimitedProtocol, transport: FakeTransport) -> int:
    sweeps = 0
    while not transport.closed:
        protocol.end_if_stalled()
        sweeps += 1
    return sweeps


async def test_a_kept_connection_is_closed_after_its_timeout() -> None:
    config = Config(app, ws="none", log_config=None, timeout_keep_alive=3)
    config.load()
    limits = ConnectionLimits(Settings(), EventStreams(1), Metrics())
    loop = asyncio.get_running_loop()
    protocol = LimitedProtocol(limits, config=config, server_state=ServerState(), app_state={}, _loop=loop)
    transport = FakeTransport()
    protocol.connection_made(transport)
    for _ in range(2):
        protocol.data_received(REQUEST)
        await asyncio.gather(*protocol.tasks)
        for _ in range(4):
            protocol.end_if_stalled()
        assert not transport.closed
    assert sweeps_until_closed(protocol, transport) == 3 / SWEEP_S + 1 - 4
    protocol.connection_lost(None)
