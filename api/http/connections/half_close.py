"""Clients that close their sending side after a request, as `nc -N` does, and still read the response.

A client that is gone has closed both sides, which looks the same until something is sent to it. Therefore the response
is sent ahead, byte by byte and at growing intervals, until it begins.
"""

from typing import Any

FIRST_BYTE_S = 0.05  # the interval doubles with each byte, so the last of the nine bytes is sent after 25 s
HALF_CLOSED = "half_closed"  # scope key that is True if the client has stopped sending


def await_response(protocol: Any) -> None:
    """Watch the client until the last response begins. `protocol.transport` is a JoiningTransport."""
    protocol.cycle.scope[HALF_CLOSED] = True
    _send_ahead(protocol, FIRST_BYTE_S)


def _send_ahead(protocol: Any, interval_s: float) -> None:
    def due() -> None:
        if protocol.transport.is_closing() or protocol.cycle.response_started:
            return
        if protocol.pipeline or protocol.transport.send_ahead():
            _send_ahead(protocol, interval_s * 2)

    protocol.loop.call_later(interval_s, due)
