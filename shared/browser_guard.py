"""Protection of a service without passwords against pages of other websites in a browser of this machine.

Such a page can send requests to any address that the browser reaches, also to a loopback address. It can even read the
responses if its host name resolves to that address (DNS rebinding).
"""

import ipaddress
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from shared.config.loopback import is_loopback

RawHeaders = Sequence[tuple[bytes, bytes]]

HEADERS = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})
OWN_SITES = (b"same-origin", b"none")  # values of Sec-Fetch-Site; none: the user typed the address
ANY = "*"
MAX_REMEMBERED_HOSTS = 64
MAX_SHOWN_CHARS = 100
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::[0-9]*)?")
_ORIGIN = re.compile(r"(https?)://([^/?#@]+)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class BrowserGuard:
    """Decides which requests may be the work of another website's page.

    `allowed_hosts` are names of the service in addition to loopback names. `origins` are websites that may use it, or
    None if no setting can allow any.
    Without `allowed_hosts`, names are only checked if `bound_host` is a loopback address: on another address, the
    service may have any name. There, an IP address is right as a name, too: it resolves to nothing else, and probes of
    Kubernetes and Prometheus use it.
    """

    def __init__(self, bound_host: str, allowed_hosts: Sequence[str], origins: Sequence[str] | None) -> None:
        self._names = frozenset(allowed_hosts)
        self._any_address = not is_loopback(bound_host)
        self._checks_hosts = ANY not in self._names and bool(self._names or is_loopback(bound_host))
        self._origins = frozenset(origin.encode() for origin in origins or ())
        self._advice = "" if origins is None else ": if it should, add its origin to the setting CORS_ORIGINS"
        self._known: set[bytes] = set()  # values of Host that have been found right

    def refusal(self, method: str, headers: RawHeaders) -> str | None:
        """Return the reason to refuse a request, or None. Names in `headers` are in lower case."""
        found: dict[bytes, bytes] | None = None
        for name, value in headers:
            if name in HEADERS:
                if name != b"host":
                    found = found or {}
                    found[name] = value
                elif value not in self._known and not self._is_own_host(value):
                    return (
                        f"{_shown(value)} is not a known name of this service: "
                        "if it is one, add it to the setting ALLOWED_HOSTS"
                    )
        return self._foreign_page(method, headers, found) if found else None

    def allows_origin(self, origin: bytes) -> bool:
        return ANY.encode() in self._origins or origin.lower() in self._origins

    def _is_own_host(self, value: bytes) -> bool:
        if not self._checks_hosts:
            return True
        name = host_name(value.decode("latin-1"))
        own = name is not None and (
            name in self._names or is_loopback_name(name) or (self._any_address and ip_address(name) is not None)
        )
        if own and len(self._known) < MAX_REMEMBERED_HOSTS:
            self._known.add(value)
        return own

    def _foreign_page(self, method: str, headers: RawHeaders, found: dict[bytes, bytes]) -> str | None:
        """Return the reason to refuse a request that a browser sent. Browsers set these headers, pages cannot."""
        origin, site = found.get(b"origin"), found.get(b"sec-fetch-site")
        if origin is not None and self.allows_origin(origin):
            return None
        if site is None:
            if origin is None or is_same_origin(origin, dict(headers).get(b"host", b"")):
                return None
        elif site in OWN_SITES or (origin is None and method in ("GET", "HEAD") and _is_link(found)):
            return None
        page = "a page of another website" if origin is None else f"a page of {_shown(origin)}"
        return f"{page} may not use this service{self._advice}"


def host_name(text: str) -> str | None:
    """Return the name or address in a header `Host`, in lower case, or None if there is none."""
    match = _HOST.fullmatch(text.strip().lower())
    return match[1].strip("[]").removesuffix(".") if match else None


def is_loopback_name(name: str) -> bool:
    """Return whether every browser resolves `name`, as returned by `host_name`, to a loopback address."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = ip_address(name)
    return address is not None and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def ip_address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def is_same_origin(origin: bytes, host: bytes) -> bool:
    """Return whether `Origin` names the same host and port as `Host`. A proxy may have changed the scheme."""
    match = _ORIGIN.fullmatch(origin.decode("latin-1").lower())
    if match is None:  # `null`, or an extension of the browser
        return False
    port = _DEFAULT_PORTS[match[1]]
    return match[2].removesuffix(port) == host.decode("latin-1").strip().lower().removesuffix(port)


def _is_link(found: dict[bytes, bytes]) -> bool:
    """Return whether the browser shows the response as a page of its own, and not in a frame."""
    mode, target = found.get(b"sec-fetch-mode"), found.get(b"sec-fetch-dest", b"document")
    return mode == b"navigate" and target == b"document"


def _shown(value: bytes) -> str:
    return repr(value.decode("latin-1")[:MAX_SHOWN_CHARS])
