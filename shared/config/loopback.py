"""Loopback addresses, which only this machine can reach."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether the host is a loopback address or `localhost`. Other names may resolve to any address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
