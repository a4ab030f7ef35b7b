import ipaddress
from collections.abc import Iterator

import pytest

from shared.callback_url import MAX_URL_CHARS, callback_fault, is_public

# IANA's registries of special addresses on 2026-11-27, and multicast, reserved and 6to4 anycast addresses.
SPECIAL = """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 ::/96 100::/64 100:0:0:1::/64 2001::/32 2001:1::/32 2001:2::/48 2001:3::/32
2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16
64:ff9b:1::/48 fc00::/7 fe80::/10 fec0::/10 ff00::/8""".split()  # noqa: SIM905
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.31.0.1",
    "192.168.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "::ffff:192.0.0.192",
    "64:ff9b::192.0.0.192",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:101:101::1",
    "3fff::1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_one_hosts_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def ends(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    yield network[0]
    yield network[-1]
    if network.version == 4:
        yield ipaddress.ip_address(f"::ffff:{network[0]}")
        yield ipaddress.ip_address(f"64:ff9b::{network[-1]}")


@pytest.mark.parametrize("network", SPECIAL)
def test_the_first_and_last_address_of_every_special_network_are_refused_in_every_python(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (ipaddress.IPv4Address, ipaddress.IPv6Address):  # as the oldest patch level might answer
        monkeypatch.setattr(kind, "is_global", property(lambda _: True))
        monkeypatch.setattr(kind, "is_private", property(lambda _: False))
    assert [address for address in ends(ipaddress.ip_network(network)) if is_public(address)] == []


@pytest.mark.parametrize(
    "neighbour",
    [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "192.0.1.0"),
        *("192.88.98.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:db9::1"),
        *("2003::1", "3ffe::1", "3fff:1000::1"),
    ],
)
def test_an_address_next_to_a_special_network_is_public(neighbour: str) -> None:
    assert is_public(ipaddress.ip_address(neighbour))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?token=a%20b#here",
        "http://example.com",
        "HTTPS://Example.com:8443/",
        "http://1.1.1.1/",
        "http://[2606:4700::1111]:80/x",
        "https://xn--bcher-kva.example/",
    ],
)
def test_a_url_that_can_be_called_has_no_fault(url: str) -> None:
    assert callback_fault(url, allow_private=False) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "not an absolute"),
        ("/hook", "not an absolute"),
        ("//example.com/", "not an absolute"),
        ("ftp://example.com/", "not an absolute"),
        ("file:///etc/passwd", "not an absolute"),
        ("https:///hook", "not an absolute"),
        ("https:example.com", "not an absolute"),
        ("https://user:secret@example.com/", "credentials"),
        ("https://secret@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://example.com:99999/", "not a URL"),
        ("https://example.com:x/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://example.com:0/", "no port"),
        ("https://example.com/ x", "percent-encoded"),
        ("https://example.com/\r\nHost: x", "percent-encoded"),
        ("https://example.com\\@127.0.0.1/", "percent-encoded"),
        ("https://bücher.example/", "percent-encoded"),
        ("https://example.com/" + "x" * MAX_URL_CHARS, "longer than"),
    ],
)
@pytest.mark.parametrize("allow_private", [False, True])
def test_the_fault_of_a_url_is_named_without_repeating_the_url(url: str, fault: str, allow_private: bool) -> None:
    told = callback_fault(url, allow_private=allow_private)
    assert told is not None
    assert fault in told
    assert "secret" not in told


@pytest.mark.parametrize(
    "host",
    [
        *(f"[{address}]" if ":" in address else address for address in PRIVATE),
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
    ],
)
def test_a_private_address_in_a_url_is_refused_in_every_spelling_unless_allowed(host: str) -> None:
    assert callback_fault(f"http://{host}/", allow_private=False) == "names a private address"
    assert callback_fault(f"http://{host}:8080/", allow_private=True) is None
