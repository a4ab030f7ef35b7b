"""Malformed requests get a 4xx, a correct response or a close, but never a 5xx or a traceback."""

import re
import socket

import pytest

from tests.support.proxy import received_until_closed
from tests.support.system import System

END = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
LAST = b"Connection: close\r\n"
POST = b"POST /mnist/classify HTTP/1.1\r\nHost: localhost\r\n" + LAST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
BULK = b"POST /mnist/classify/bulk HTTP/1.1\r\nHost: localhost\r\n" + LAST
UPGRADE = b"Connection: Upgrade, close\r\nUpgrade: "

# The bytes sent, and the statuses received before the connection closes.
EXCHANGES: dict[str, tuple[bytes, list[int]]] = {
    "a word": (b"hello\r\n\r\n", [400]),
    "zeros": (b"\0" * 200, [400]),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", [200]),
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    "HTTP/9.9": (b"GET /healthz HTTP/9.9\r\n\r\n", [400]),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", [400]),
    "a TLS hello": (bytes.fromhex("1603010200010001fc0303") + b"\xaa" * 200, [400]),
    "a PROXY line": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + GET + b"\r\n", [400]),
    "Redis's protocol": (b"*1\r\n$4\r\nPING\r\n", [400]),
    "a response": (b"HTTP/1.1 200 OK\r\n\r\n", [400]),
    "line feeds alone": (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", [400]),
    "tabs for spaces": (b"GET\t/healthz\tHTTP/1.1\r\n\r\n", [400]),
    "an unknown method": (b"FROB /healthz" + END, [400]),
    "a method in small letters": (b"get /healthz" + END, [400]),
    "a method of WebDAV": (b"PROPFIND /healthz" + END, [405]),
    "TRACE": (b"TRACE /healthz" + END, [405]),
    "CONNECT": (b"CONNECT x:443" + END, [400]),
    "OPTIONS *": (b"OPTIONS *" + END, [404]),
    "no number as chunk size": (CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n", [400]),
    "a negative chunk size": (CHUNKED + b"\r\n-1\r\nabc", [400]),
    "a huge chunk size": (CHUNKED + b"\r\nffffffffffffffffff\r\nabc", [400]),
    "a chunk over its size": (CHUNKED + b"\r\n3\r\nabcdef\r\n0\r\n\r\n", [400]),
    "a trailer": (CHUNKED + b"\r\n0\r\nContent-Type: image/png\r\n\r\n", [400]),
    "two Content-Lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", [400]),
    "a list of Content-Lengths": (POST + b"Content-Length: 3, 3\r\n\r\nabc", [400]),
    "a negative Content-Length": (POST + b"Content-Length: -1\r\n\r\n", [400]),
    "a signed Content-Length": (POST + b"Content-Length: +3\r\n\r\nabc", [400]),
    "a Content-Length over 64 bits": (POST + b"Content-Length: 99999999999999999999\r\n\r\n", [400]),
    "a Content-Length of 64 bits": (BULK + b"Content-Length: 9999999999999999999\r\n\r\n", [413]),
    "Content-Length, then chunked": (CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n" + GET, [400]),
    "chunked, then Content-Length": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
    "chunked twice": (CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", [400]),
    "nearly chunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [400]),
    "chunked behind a control character": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", [400]),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", [400]),
    "NUL in a header": (GET + b"X: a\0b\r\n\r\n", [400]),
    "NUL in a header's name": (GET + b"X\0: a\r\n\r\n", [400]),
    "a header without a colon": (GET + b"nonsense\r\n\r\n", [400]),
    "a header without a name": (GET + b": a\r\n\r\n", [400]),
    "a folded header": (GET + b"X: a\r\n b\r\n\r\n", [400]),
    "a lone CR in a header": (GET + b"X: a\rb\r\n\r\n", [400]),
    "a header that is no ASCII": (GET + LAST + b"X: \xff\xc3\xa9\r\n\r\n", [200]),
    "an Accept that makes no sense": (
        b"GET /mnist/image/1 HTTP/1.1\r\nAccept: \xff;q=nan,;q,*/*;q=inf" + END[9:],
        [200],
    ),
    "an absolute target": (b"GET http://x/healthz" + END, [200]),
    "an absolute target without a path": (b"GET http://x" + END, [400]),
    "an absolute target with a broken host": (b"GET http://[::1/healthz" + END, [400]),
    "a relative target": (b"GET healthz" + END, [400]),
    "two slashes": (b"GET //healthz" + END, [404]),
    "dots": (b"GET /../../etc/passwd" + END, [404]),
    "encoded dots": (b"GET /%2e%2e/%2fetc/passwd" + END, [404]),
    "a host that is none": (b"GET /healthz HTTP/1.1\r\nHost: [\r\n" + LAST + b"\r\n", [403]),
    "a host that is no ASCII": (b"GET /healthz/ HTTP/1.1\r\nHost: [\xff@\r\n" + LAST + b"\r\n", [403]),
    "no host": (b"GET /healthz HTTP/1.1\r\n" + LAST + b"\r\n", [400]),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", [400]),
    "an origin that is no ASCII": (GET + LAST + b"Origin: \xff\r\n\r\n", [403]),
    "a redirect with an encoded line end": (b"GET /results/%0d%0aX:1/" + END, [307]),
    "a long target": (b"GET /" + b"x" * 60_000 + END, [404]),
    "a long index": (b"GET /mnist/" + b"9" * 5000 + b"/label" + END, [422]),
    "%00": (b"GET /mnist/label/%00" + END, [422]),
    "a lone %": (b"GET /%" + END, [404]),
    "% and no digits": (b"GET /mnist/label/%zz" + END, [422]),
    "encoded bytes that are no UTF-8": (b"GET /mnist/label/%ff%fe" + END, [422]),
    "an encoded surrogate": (b"GET /mnist/label/%ed%a0%80" + END, [422]),
    "digits that are no ASCII": (b"GET /mnist/label/%d9%a1" + END, [422]),
    "a path that is no ASCII": (b"GET /\xff\xfe" + END, [400]),
    "a query that is no ASCII": (b"GET /healthz?\xff=\xfe" + END, [400]),
    "a model that is no UTF-8": (b"GET /mnist/classify/1?model=%ff%00" + END, [404]),
    "a model up the tree": (b"GET /mnist/classify/1?model=../../etc@1" + END, [404]),
    "an id that is no UTF-8": (b"GET /results/%ff" + END, [404]),
    "a wait that is no number": (b"GET /results/j0123456789abcdef?wait=nan" + END, [422]),
    "an endless wait": (b"GET /results/j0123456789abcdef?wait=1e999" + END, [404]),
    "a query of many parameters": (b"GET /results/j?" + b"a=1&" * 5000 + END, [422]),
    "two requests at once": (GET + b"\r\n" + GET + LAST + b"\r\n", [200, 200]),
    "a request, then garbage": (GET + b"\r\n\0garbage\r\n\r\n", [200]),
    "a request behind the last one": (GET + LAST + b"\r\n" + GET + b"\r\n", [200]),
    "100 requests at once": ((GET + b"\r\n") * 100, [200] * 65),
    "Expect: 100-continue": (POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", [100, 400]),
    "Expect: something else": (POST + b"Expect: 999\r\nContent-Length: 3\r\n\r\nabc", [400]),
    "a GET with a body": (GET + LAST + b"Content-Length: 5\r\n\r\nhello", [200]),
    "HEAD": (b"HEAD /healthz" + END, [200]),
    "an upgrade to a websocket": (GET + UPGRADE + b"websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", [200]),
    "an upgrade, then a request": (
        GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET + LAST + b"\r\n",
        [200, 200],
    ),
    "an upgrade whose body is a request": (
        POST + UPGRADE + b"h2c\r\nContent-Length: %d\r\n\r\n" % len(GET + b"\r\n") + GET + b"\r\n",
        [400],
    ),
    "HTTP/2 without its preface": (b"GET /healthz HTTP/2.0\r\n\r\n", [200]),
    "a boundary that is no ASCII": (
        BULK + b"Content-Type: multipart/form-data; boundary=\xff\xfe\r\nContent-Length: 3\r\n\r\nabc",
        [400],
    ),
    "deep JSON": (BULK + b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n" + b"[" * 4000, [415]),
    "JSON that is no UTF-8": (BULK + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n\xff\xfe", [415]),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_malformed_request_is_refused_or_served_but_breaks_nothing(system: System, name: str) -> None:
    sent, statuses = EXCHANGES[name]
    with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
        connection.sendall(sent)
        received = received_until_closed(connection)
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)] == statuses, received
    if statuses == [400]:
        assert b"application/problem+json" in received
    assert system.http.get("/healthz").status_code == 200
    assert "Traceback" not in system.api.output
