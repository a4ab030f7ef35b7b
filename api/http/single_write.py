"""One socket write per response: uvicorn writes head and body each on its own, and a write is a system call."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoiningTransport:
    """Holds a write back until the next one, or until the end of the event loop's turn, whichever is first."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self._end_of_turn: asyncio.Handle | None = None
        self._lost = False

    def write(self, data: bytes) -> None:
        if self._lost:
            return
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        else:
            self._held = data
            if self._end_of_turn is None:
                self._end_of_turn = self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def lose(self) -> None:
        """The connection is gone. uvloop raises on a write from then on, and uvicorn still makes some: it tells only
        the last of several pipelined requests that its client has left."""
        self._lost = True
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        """Everything but writing is the transport's own."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        self._end_of_turn = None
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol on a joining transport; for `uvicorn.run(http=…)`."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.lose()  # type: ignore[attr-defined]
        super().connection_lost(exc)
