"""A small HTTP server that returns the given replies in turn and records the requests."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from tests.support.threads import QuietHandler, serving

HANG_UP = 0  # instead of a status: close the connection without a reply


@dataclass
class Flaky:
    url: str
    replies: list[tuple[int, dict[str, str], bytes]]
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)


@contextmanager
def flaky(replies: Sequence[tuple[int, dict[str, str], bytes]]) -> Iterator[Flaky]:
    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            served.times_s.append(time.monotonic())
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            served.bodies.append(self._body())
            status, headers, content = served.replies.pop(0)
            if status == HANG_UP:
                self.close_connection = True
                return
            self.respond(status, content, **headers)

        do_GET = do_POST

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Flaky(f"http://127.0.0.1:{server.server_port}", list(replies))
    with serving(server):
        yield served
