"""A service without keys refuses some requests of browsers. Real browsers send these headers: tests/browser."""

import pytest

from shared.browser_guard import BrowserGuard, host_name, is_same_origin

OWN = "127.0.0.1:5000"
LOOPBACK = BrowserGuard("127.0.0.1", (), ())


def refusal(guard: BrowserGuard, method: str = "POST", **headers: str) -> str | None:
    named = {"host": OWN} | {name.replace("_", "-"): value for name, value in headers.items()}
    return guard.refusal(method, [(name.encode(), value.encode("latin-1")) for name, value in named.items()])


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:5000", "127.8.8.8:1", "localhost", "LOCALHOST:5000", "localhost.", "localhost.:5000"),
        *("api.localhost", "[::1]", "[::1]:5000", "[0:0:0:0:0:0:0:1]:80", "[::ffff:127.0.0.1]", " localhost "),
    ],
)
def test_loopback_names_are_known(host: str) -> None:
    assert refusal(LOOPBACK, host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5000", "EVIL.EXAMPLE.", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("evil-localhost", "127.0.0.1.nip.io", "10.0.0.7", "[fe80::1]", "x", "", ":5000", "[::1", "::1", "2130706433"),
        *("localhost:5000:1", "localhost/a", "a@localhost", "localhost localhost", "\xff", "localhost..", "0x7f.0.0.1"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_name_is_refused_on_a_loopback_address(method: str, host: str) -> None:
    said = refusal(LOOPBACK, method, host=host)
    assert said is not None
    assert "ALLOWED_HOSTS" in said


def test_one_wrong_name_of_two_is_refused() -> None:
    for hosts in ((b"localhost", b"evil.example"), (b"evil.example", b"localhost")):
        assert LOOPBACK.refusal("GET", [(b"host", host) for host in hosts])


def test_a_request_without_a_host_comes_from_no_browser() -> None:
    assert LOOPBACK.refusal("POST", [(b"accept", b"*/*")]) is None


def test_names_can_be_added_and_the_check_switched_off() -> None:
    guard = BrowserGuard("127.0.0.1", ("digits.example", "10.0.0.7"), ())
    for host in ("digits.example", "Digits.Example.:8443", "10.0.0.7:80", "localhost:5000"):
        assert refusal(guard, host=host) is None
    assert refusal(guard, host="evil.example")
    assert refusal(BrowserGuard("127.0.0.1", ("*",), ()), host="evil.example") is None


def test_on_another_address_names_are_checked_only_if_some_are_given() -> None:
    for bound in ("0.0.0.0", "::", "10.0.0.7", "digits.example"):  # noqa: S104
        assert refusal(BrowserGuard(bound, (), ()), host="digits.example") is None
        guard = BrowserGuard(bound, ("digits.example",), ())
        for host in ("digits.example", "localhost:5000", "10.1.2.3:5000", "[fe80::1]:5000"):
            assert refusal(guard, host=host) is None, "probes use addresses, which cannot be rebound"
        assert refusal(guard, host="evil.example")


def test_remembered_names_are_limited() -> None:
    guard = BrowserGuard("127.0.0.1", (), ())
    assert all(refusal(guard, host=f"localhost:{port}") is None for port in range(1000))
    assert len(guard._known) <= 64


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://localhost:5000"},
        {"origin": "http://127.0.0.1:5000.evil.example"},
        {"origin": "http://127.0.0.1:5000@evil.example"},
        {"origin": "chrome-extension://abc"},
        {"origin": ""},
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        {"origin": "null", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "script"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        {"sec_fetch_site": "nonsense"},
    ],
)
def test_pages_of_other_origins_are_refused(bound: str, method: str, headers: dict[str, str]) -> None:
    said = refusal(BrowserGuard(bound, (), ()), method, **headers)
    assert said is not None
    assert "CORS_ORIGINS" in said


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:5000"},
        {"origin": "http://127.0.0.1:5000", "sec_fetch_site": "same-origin"},
        {"origin": "https://digits.example", "host": "127.0.0.1:5000", "sec_fetch_site": "same-origin"},
        {"origin": "http://[::1]:5000", "host": "[::1]:5000"},
        {"origin": "http://localhost", "host": "localhost:80"},
        {"origin": "https://localhost", "host": "LOCALHOST"},
        {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"},
        {},
    ],
)
def test_the_services_own_pages_and_programs_are_served(headers: dict[str, str]) -> None:
    """The third one came through a proxy that changed `Host`."""
    for method in ("GET", "POST"):
        assert refusal(LOOPBACK, method, **headers) is None


def test_a_link_on_another_website_works_and_its_forms_do_not() -> None:
    headers = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert refusal(LOOPBACK, "GET", **headers) is None
    assert refusal(LOOPBACK, "GET", **headers, sec_fetch_dest="document") is None
    assert refusal(LOOPBACK, "POST", **headers, sec_fetch_dest="document")


def test_allowed_origins_are_served() -> None:
    guard = BrowserGuard("127.0.0.1", (), ("https://app.example", "null"))
    for origin in ("https://app.example", "HTTPS://APP.EXAMPLE", "null"):
        assert refusal(guard, origin=origin, sec_fetch_site="cross-site") is None
    assert refusal(guard, origin="https://evil.example")
    assert refusal(guard, origin="https://app.example", host="evil.example"), "the name still counts"
    assert refusal(BrowserGuard("127.0.0.1", (), ("*",)), origin="https://evil.example") is None


def test_a_long_name_is_shortened_in_the_message() -> None:
    assert len(refusal(LOOPBACK, host="x" * 60_000) or "") < 300


def test_parts_of_hosts_and_origins() -> None:
    assert host_name("[::1]:5000") == "::1"
    assert host_name("Digits.Example.") == "digits.example"
    assert is_same_origin(b"https://a:443", b"a")
    assert not is_same_origin(b"https://a:80", b"a")
    assert not is_same_origin(b"ftp://a", b"a")
