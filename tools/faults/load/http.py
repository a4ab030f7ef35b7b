"""A client of several APIs: if one API does not answer, the next request goes to another.

It is not our Python client, because drills need every status and every broken connection.
"""

from typing import Any

import httpx

TIMEOUT_S = 40.0  # longer than a single may wait in the service
TEMPORARY = (429, 502, 503)  # statuses of temporary errors


class Client:
    """A client for one thread. It uses one API until that API fails."""

    def __init__(self, urls: list[str], first: int) -> None:
        self._urls = urls
        self._current = first
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response | None:
        """Return the reply with any status, or None if the connection broke or was refused.

        Raises httpx.TimeoutException when no answer comes at all.
        """
        return self._send("POST", path, body, headers)

    def get_json(self, path: str) -> Any:
        """Return the content, or None if it is not available now: the connection broke, or Redis is away.

        Raises httpx.HTTPStatusError for what will not be better later.
        """
        reply = self._send("GET", path)
        if reply is None or reply.status_code in TEMPORARY:
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
