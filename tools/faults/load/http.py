"""A client of several APIs: what one does not answer, another is asked."""

from typing import Any

import httpx

TIMEOUT_S = 40.0  # longer than a single may wait in the service
MAY_PASS = (429, 502, 503)  # statuses that say: again, later


class Client:
    """One thread's. It stays with an API until that one fails it."""

    def __init__(self, urls: list[str], first: int) -> None:
        self._urls = urls
        self._current = first
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response | None:
        """The reply, of whatever status; None when the connection broke or was refused.

        Raises httpx.TimeoutException when no answer comes at all.
        """
        return self._send("POST", path, body, headers)

    def get_json(self, path: str) -> Any:
        """None where it cannot be had now: the connection broke, Redis is away.

        Raises httpx.HTTPStatusError for what will not be better later.
        """
        reply = self._send("GET", path)
        if reply is None or reply.status_code in MAY_PASS:
            return None
        reply.raise_for_status()
        return reply.json()

    def close(self) -> None:
        self._client.close()

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response | None:
        url = self._urls[self._current % len(self._urls)]
        try:
            return self._client.request(method, url + path, content=body, headers=headers)
        except httpx.TimeoutException:
            raise
        except httpx.TransportError:
            self._current += 1
            return None
