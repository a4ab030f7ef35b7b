"""A REDIS_URL that names Sentinels: `sentinel://[user:password@]host[:port],host…/service[/db]`.

Every new connection asks the Sentinels for the master of `service`. User and password are for the master; the options
`sentinel_username` and `sentinel_password` are for the Sentinels. `sentinels://` uses TLS to the Sentinels and the
master, with the `ssl_…` options of a `rediss://` URL.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.connection import parse_url

SCHEMES = {"sentinel": "redis", "sentinels": "rediss"}
DEFAULT_PORT = 26379
EXPECTED = "expected sentinel://[user:password@]host:port,host:port/service/db or sentinels://…"
LOGIN = ("username", "password")


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Options for redis-py: `options` for connections to the master, `own_options` for those to the Sentinels."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, Any] = field(repr=False)
    own_options: dict[str, Any] = field(repr=False)


def parse_sentinels(redis_url: str) -> Sentinels | None:
    """Read a URL that names Sentinels. Return None for a URL of Redis itself. Raises ValueError if it is invalid."""
    parts = urlsplit(redis_url)
    if parts.scheme not in SCHEMES:
        return None
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.removeprefix("/").partition("/")
    if not service or not (db or "0").isdecimal():
        raise ValueError(EXPECTED)
    query = parse_qsl(parts.query)
    own_query = {key: value for key, value in query if key.startswith("sentinel_")}
    own_login = {name: own_query.pop(f"sentinel_{name}") for name in LOGIN if f"sentinel_{name}" in own_query}
    if own_query:
        raise ValueError(f"unknown option {min(own_query)}")
    rest = urlencode([(key, value) for key, value in query if not key.startswith("sentinel_")])
    at = f"{login}@" if login else ""
    options: dict[str, Any] = parse_url(f"{SCHEMES[parts.scheme]}://{at}master/{db or 0}?{rest}")  # type: ignore[no-untyped-call]
    for key in ("host", "connection_class"):
        options.pop(key, None)
    tls = {key: value for key, value in options.items() if key.startswith("ssl_")}
    if parts.scheme == "sentinels":
        tls["ssl"] = True
    return Sentinels(tuple(map(_address, hosts.split(","))), service, options | tls, own_login | tls)


def _address(host: str) -> tuple[str, int]:
    """Read host and port. Raises ValueError if they are invalid."""
    parts = urlsplit(f"//{host.strip()}")
    port = parts.port
    if not parts.hostname or port == 0:
        raise ValueError(EXPECTED)
    return parts.hostname, port or DEFAULT_PORT
