"""A REDIS_URL that names Sentinels in place of a Redis: `sentinel://[user:password@]host[:port],host…/service[/db]`.

They are asked at each connect who the master of `service` is. User and password are the master's; those of the
Sentinels themselves are the options `sentinel_username` and `sentinel_password`. `sentinels://` is TLS to all of them,
with the `ssl_…` options of a `rediss://` URL.
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
    """`options` are redis-py's for the master, but for its address; `own_options` those for the Sentinels."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, Any] = field(repr=False)
    own_options: dict[str, Any] = field(repr=False)


def parse_sentinels(redis_url: str) -> Sentinels | None:
    """None for the URL of a Redis itself. Raises ValueError for one with Sentinels that cannot be used."""
    parts = urlsplit(redis_url)
    if parts.scheme not in SCHEMES:
        return None
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.removeprefix("/").partition("/")
    if not service or not (db or "0").isdecimal():
        raise ValueError(EXPECTED)
    query = parse_qsl(parts.query)
    of_sentinels = {key: value for key, value in query if key.startswith("sentinel_")}
    own_login = {name: of_sentinels.pop(f"sentinel_{name}") for name in LOGIN if f"sentinel_{name}" in of_sentinels}
    if of_sentinels:
        raise ValueError(f"unknown option {min(of_sentinels)}")
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
    """Raises ValueError."""
    parts = urlsplit(f"//{host.strip()}")
    port = parts.port
    if not parts.hostname or port == 0:
        raise ValueError(EXPECTED)
    return parts.hostname, port or DEFAULT_PORT
