"""One attempt at a callback: resolve the host, check the addresses, connect to a checked address, post."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from functools import cache, partial
from urllib.parse import SplitResult, urlsplit

import anyio.to_thread
import httpx

from shared.callback_url import callback_fault, is_public

MAX_BODY_BYTES = 64 << 10  # the answer's body is read and ignored
BODY_WAIT_S = 1.0
MAX_ADDRESSES = 3  # tried in turn until a connection succeeds
MAX_REASON_CHARS = 200
PORTS = {"http": 80, "https": 443}

for chatty in ("httpx", "httpcore"):  # they log whole URLs, and a query may hold a secret of the receiver's
    logging.getLogger(chatty).setLevel(logging.WARNING)


class Refused(Exception):
    """The callback was not delivered. The message says why, without the URL."""


def post(url: str, headers: dict[str, str], body: bytes, *, timeout_s: float, allow_private: bool) -> None:
    """Return once the receiver has answered 2xx, without redirects and proxies. Raises Refused within `timeout_s`."""
    fault = callback_fault(url, allow_private=allow_private)
    if fault is not None:
        raise Refused(f"the URL {fault}")
    try:
        asyncio.run(asyncio.wait_for(_post(urlsplit(url), headers, body, allow_private), timeout_s))
    except TimeoutError:
        raise Refused(f"no answer within {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Refused(f"{type(error).__name__}: {error}"[:MAX_REASON_CHARS]) from None


async def _post(parts: SplitResult, headers: dict[str, str], body: bytes, allow_private: bool) -> None:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    addresses = (await resolve(host, port, allow_private))[:MAX_ADDRESSES]
    # httpx's timeouts are off, because they begin again with each read. The caller's timeout covers the attempt.
    async with httpx.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False, timeout=None) as client:  # noqa: S113
        for address in addresses:
            request = client.build_request(
                "POST",
                addressed(parts, address, port),
                content=body,
                headers={**headers, "Host": parts.netloc},
                extensions={"sni_hostname": host},
            )
            try:
                status = await _status(client, request)
            except httpx.ConnectError:
                if address == addresses[-1]:
                    raise
                continue
            if not 200 <= status < 300:
                raise Refused(f"answered {status}")
            return


async def resolve(host: str, port: int, allow_private: bool) -> list[str]:
    """Return the addresses of `host`. Raises Refused if it has none, or if any of them is not public."""
    # In a thread that is abandoned on timeout: a resolver cannot be interrupted.
    lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await anyio.to_thread.run_sync(lookup, abandon_on_cancel=True)
    except (OSError, UnicodeError) as error:
        raise Refused(f"the host has no address: {error}") from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        if not allow_private and not is_public(ipaddress.ip_address(address)):
            raise Refused(f"the host has the private address {address}")
    return addresses


def addressed(parts: SplitResult, address: str, port: int) -> str:
    """Return the URL with `address` as its host, so that the name is not resolved again with another result."""
    host = f"[{address}]" if ":" in address else address
    return parts._replace(netloc=f"{host}:{port}", fragment="").geturl()


async def _status(client: httpx.AsyncClient, request: httpx.Request) -> int:
    """Send the request and return the status. A short body is read, so that the receiver sees no reset."""
    response = await client.send(request, stream=True)
    read_bytes = 0
    try:
        with contextlib.suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(BODY_WAIT_S):
                async for part in response.aiter_raw():
                    read_bytes += len(part)
                    if read_bytes > MAX_BODY_BYTES:
                        break
    finally:
        await response.aclose()
    return response.status_code


@cache
def _tls() -> ssl.SSLContext:
    """Trust SSL_CERT_FILE if it is set, for example a private authority, else the usual authorities."""
    return httpx.create_ssl_context()
