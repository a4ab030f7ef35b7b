"""Checks of the URL of a callback and of the addresses behind it. They are pure: nothing is resolved here.

The API refuses a bad URL at once. The worker checks the URL again, and every address that its name resolves to.
"""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

MAX_URL_CHARS = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRINTABLE = re.compile(r"[!-\[\]-~]*")  # ASCII without space and backslash, which readers of URLs differ on
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all addresses assigned for use on the Internet
_6TO4 = ipaddress.IPv6Network("2002::/16")  # leads to the IPv4 address that is in it


def callback_fault(url: str, *, allow_private: bool) -> str | None:
    """Return why `url` cannot be called back, or None if it can. The reason never repeats the URL."""
    if len(url) > MAX_URL_CHARS:
        return f"is longer than {MAX_URL_CHARS} characters"
    if not _PRINTABLE.fullmatch(url):
        return "has a character that must be percent-encoded (a host of other letters: as xn--…)"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is not an absolute http or https URL"
    if "@" in parts.netloc:
        return "has credentials in it"
    if port == 0:
        return "has no port that can be connected to"
    if not allow_private and _names_private(parts.hostname):
        return "names a private address"
    return None


def is_public(address: Address) -> bool:
    """Return whether an address belongs to one host on the Internet. An IPv4 address inside it is checked as well."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST and address not in _6TO4 and address.is_global


def _names_private(host: str) -> bool:
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _literal(name)
    return address is not None and not is_public(address)


def _literal(host: str) -> Address | None:
    """Return the address that `host` is in any notation that resolvers accept, like `127.1` or `0x7f000001`."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
