"""Responses to clients that speak a version of HTTP below 1.1, which has no chunked encoding."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def serve_old_version(cycle: RequestResponseCycle) -> None:
    """Send the response of `cycle` without chunks and interim responses. The end of the connection ends it."""
    cycle.keep_alive = False
    cycle.waiting_for_100_continue = False
    has_length = False

    async def send(message: Any) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
            cycle.chunked_encoding = None if has_length else False
        elif not has_length:
            cycle.expected_content_length = len(message.get("body", b""))
        await RequestResponseCycle.send(cycle, message)

    cycle.send = send  # type: ignore[method-assign]
