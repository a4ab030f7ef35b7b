"""Checks of the URL of a callback and of the addresses behind it. They are pure: nothing is resolved here.

The API refuses a bad URL at once. The worker checks the URL again, and every address that its name resolves to.
"""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

MAX_URL_CHARS = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, text.split()))


_PRINTABLE = re.compile(r"[!-\[\]-~]*")  # ASCII without space and backslash, which readers of URLs differ on
# A list of our own: `is_global` of Python's ipaddress differs between patch levels. IANA's registries of special
# addresses, with all multicast and reserved addresses, and with anycast services that are not one host's.
_NOT_PUBLIC = {
    4: _networks(
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
        "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    ),
    # Within 2000::/3. Teredo (2001::/32) and 6to4 (2002::/16) lead to the IPv4 addresses that are in them.
    6: _networks("2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"),
}
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all addresses assigned for use on the Internet
_WITH_IPV4 = _networks("::ffff:0:0/96 64:ff9b::/96")  # mapped and NAT64: the last 32 bits are an IPv4 address


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
    if any(address in network for network in _WITH_IPV4):
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if any(address in network for network in _NOT_PUBLIC[address.version]):
        return False
    return address.version == 4 or address in _UNICAST


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
