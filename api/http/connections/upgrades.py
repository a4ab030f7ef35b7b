"""Offers to upgrade the protocol, such as `Upgrade: h2c`, which this server ignores (RFC 9110, 7.8)."""

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def head_without_upgrade(protocol: HttpToolsProtocol) -> bytes:
    """Return the head that `protocol` has just parsed, without its header `Upgrade`.

    The parser takes a request with an upgrade to end with its head, even if it has a body. So a new parser gets the
    head again.
    """
    parser = protocol.parser
    lines = [b"%b %b HTTP/%b" % (parser.get_method(), protocol.url, parser.get_http_version().encode())]
    lines += [name + b": " + value for name, value in protocol.headers if name != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def new_parser(protocol: HttpToolsProtocol) -> HttpRequestParser:
    """Return a parser as uvicorn creates it. Bytes after a request with `Connection: close` are no error for it."""
    parser = HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
