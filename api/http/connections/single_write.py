"""One socket write per response. uvicorn writes head and body separately, and each write is a system call."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

RESPONSE_START = b"HTTP/1.1 "  # the first bytes of every response


class JoiningTransport:
    """Delays a write until the next one or until the end of the event loop's iteration, whichever is first."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending = b""
        self._flush_handle: asyncio.Handle | None = None
        self._lost = False
        self._sent_ahead = 0  # bytes of RESPONSE_START that `send_ahead` has written

    def write(self, data: bytes) -> None:
        if self._lost:
            return
        if self._sent_ahead:
            data, self._sent_ahead = data[self._sent_ahead :], 0
        if self._pending:
            self._transport.write(self._pending + data)
            self._pending = b""
        else:
            self._pending = data
            if self._flush_handle is None:
                self._flush_handle = self._loop.call_soon(self._flush)

    def write_response(self, response: bytes) -> None:
        """Write a whole response at once."""
        if self._pending or self._sent_ahead or self._lost:
            self.write(response)
        else:
            self._transport.write(response)

    def send_ahead(self) -> bool:
        """Write one more byte of the next response, and return False if none is left. No response may have begun.

        A client that has closed its connection answers the byte with a reset, so that the next write fails.
        """
        if self._lost or self._pending or self._sent_ahead == len(RESPONSE_START):
            return False
        self._transport.write(RESPONSE_START[self._sent_ahead : self._sent_ahead + 1])
        self._sent_ahead += 1
        return True

    def is_closing(self) -> bool:
        closing: bool = self._transport.is_closing()
        return closing

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def mark_lost(self) -> None:
        """Discard all writes from now on. uvloop would raise an error on them. uvicorn still makes some: of several
        pipelined requests, it notifies only the last that the client has disconnected."""
        self._lost = True
        self._pending = b""

    def __getattr__(self, name: str) -> Any:
        """Delegate everything except writing to the transport."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        self._flush_handle = None
        if self._pending:
            pending, self._pending = self._pending, b""
            self._transport.write(pending)


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol on a joining transport, for `uvicorn.run(http=…)`."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.mark_lost()  # type: ignore[attr-defined]
        super().connection_lost(exc)
