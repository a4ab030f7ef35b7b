"""Whether an address is of this machine alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Of names, only `localhost`: what others stand for may change."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
