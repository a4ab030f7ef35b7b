import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from deploy.processes import free_port
from tests.support.receiver import Receiver, receiving
from worker.tasks.callbacks import post as module
from worker.tasks.callbacks.post import Refused, addressed, post, resolve

NAME = "hooks.example"


def send(url: str, timeout_s: float = 10, allow_private: bool = True) -> None:
    post(url, {"X-Test": "yes"}, b"{}", timeout_s=timeout_s, allow_private=allow_private)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[str]], None]:
    """Give one name these addresses. All other names keep theirs."""
    real = socket.getaddrinfo

    def give(name: str, addresses: list[str]) -> None:
        def lookup(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host != name:
                return real(host, port, *args, **kwargs)
            return [info for address in addresses for info in real(address, port, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)

    return give


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[trustme.CA]:
    """The only trusted authority."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    module._tls.cache_clear()
    yield ca
    module._tls.cache_clear()


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as each:
        yield each


def test_it_posts_the_body_with_the_headers_to_the_path_and_query(receiver: Receiver) -> None:
    send(receiver.url("/a/b?token=1#here"))
    received = receiver.next()
    assert (received.path, received.body) == ("/a/b?token=1", b"{}")
    assert received.headers["x-test"] == "yes"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410, 500, 503])
def test_a_status_other_than_2xx_is_refused_and_a_redirect_is_not_followed(status: int) -> None:
    with receiving((status,)) as receiver:
        with pytest.raises(Refused, match=f"^answered {status}$"):
            send(receiver.url())
        assert receiver.next().path == "/hook"
        assert receiver.received.empty()


@pytest.mark.parametrize("status", [200, 202, 299])
def test_every_2xx_is_accepted(status: int) -> None:
    with receiving((status,)) as receiver:
        send(receiver.url())


def test_a_receiver_that_hangs_times_out(receiver: Receiver) -> None:
    receiver.go_on.clear()
    with pytest.raises(Refused, match=r"^no answer within 0\.2 s$"):
        send(receiver.url(), timeout_s=0.2)


def test_an_answer_byte_by_byte_times_out_too() -> None:
    """Timeouts that begin again with each read would wait forever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(drip(server))
        finally:
            loop.close()


async def drip(server: socket.socket) -> None:
    sending = asyncio.create_task(asyncio.to_thread(send, f"http://127.0.0.1:{server.getsockname()[1]}/", 1.0))
    connection, _ = await asyncio.to_thread(server.accept)
    with connection:
        while not sending.done():
            try:
                connection.sendall(b"H")
            except OSError:
                break
            await asyncio.wait({sending}, timeout=0.05)
    with pytest.raises(Refused, match="no answer within 1 s"):
        await sending


def test_a_refused_connection_is_reported_with_the_reason() -> None:
    with pytest.raises(Refused, match=r"^ConnectError: "):
        send(f"http://127.0.0.1:{free_port()}/?token=secret")


def test_an_answer_that_is_not_http_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        loop = asyncio.new_event_loop()

        async def babble() -> None:
            sending = asyncio.create_task(asyncio.to_thread(send, f"http://127.0.0.1:{server.getsockname()[1]}/"))
            connection, _ = await asyncio.to_thread(server.accept)
            with connection:
                connection.sendall(b"220 smtp ready\r\n\r\n")
                with pytest.raises(Refused, match="RemoteProtocolError"):
                    await sending

        try:
            loop.run_until_complete(babble())
        finally:
            loop.close()


def test_a_private_address_is_refused_before_it_is_connected_to(receiver: Receiver, names: Any) -> None:
    names(NAME, ["127.0.0.1"])
    with pytest.raises(Refused, match=r"the host has the private address 127\.0\.0\.1"):
        send(receiver.url(host=NAME), allow_private=False)
    with pytest.raises(Refused, match="the URL names a private address"):
        send(receiver.url(), allow_private=False)
    assert receiver.received.empty()


def test_one_private_address_among_public_ones_is_enough_to_refuse(names: Any) -> None:
    names(NAME, ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        asyncio.run(resolve(NAME, 80, allow_private=False))


def test_public_addresses_are_all_there_and_once(names: Any) -> None:
    names(NAME, ["1.1.1.1", "2606:4700::1111", "1.1.1.1"])
    assert asyncio.run(resolve(NAME, 80, allow_private=False)) == ["1.1.1.1", "2606:4700::1111"]


@pytest.mark.parametrize("host", ["no-such-name.invalid", f"{'x' * 64}.example", "a..b"])
def test_a_name_without_an_address_is_refused(host: str) -> None:
    with pytest.raises(Refused, match="the host has no address"):
        send(f"http://{host}/")


def test_the_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public at the check and private at the connection is useless to an attacker."""
    lookups: list[Any] = []
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        lookups.append(host)
        return real("127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    send(receiver.url(host=NAME))
    assert receiver.next().headers["host"] == f"{NAME}:{receiver.port}"
    assert [host for host in lookups if host in (NAME, NAME.encode())] == [NAME]


def test_an_address_that_cannot_be_connected_to_gives_way_to_the_next(receiver: Receiver, names: Any) -> None:
    names(NAME, ["127.0.0.2", "127.0.0.1"])
    send(receiver.url(host=NAME))
    assert receiver.next().path == "/hook"


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("https://example.com/x?y=1#z", "1.2.3.4", "https://1.2.3.4:443/x?y=1"),
        ("http://example.com", "::1", "http://[::1]:443"),
        ("http://example.com?@evil/", "1.2.3.4", "http://1.2.3.4:443?@evil/"),
    ],
)
def test_the_address_takes_the_place_of_the_name(url: str, address: str, expected: str) -> None:
    assert addressed(urlsplit(url), address, 443) == expected


def test_a_certificate_is_checked_against_the_name_and_not_the_address(authority: trustme.CA, names: Any) -> None:
    names(NAME, ["127.0.0.1"])
    with receiving(tls=server_tls(authority, NAME)) as receiver:
        send(receiver.url(host=NAME, scheme="https"))
        assert receiver.next().headers["host"] == f"{NAME}:{receiver.port}"
    for other in ("other.example", "127.0.0.1"):
        with receiving(tls=server_tls(authority, other)) as receiver:
            with pytest.raises(Refused, match="CERTIFICATE_VERIFY_FAILED"):
                send(receiver.url(host=NAME, scheme="https"))
            assert receiver.received.empty()


def test_a_proxy_in_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    send(receiver.url())
    assert receiver.next().path == "/hook"


def test_nothing_logs_the_url(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(receiver.url("/hook?token=secret"))
    assert "token" not in caplog.text
