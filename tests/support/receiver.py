"""A web server for callbacks. It records the requests, and answers with the given statuses."""

import http.server
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.threads import QuietHandler, serving

ANSWER_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with `statuses` in turn, then with 200, but only while `go_on` is set. Header names are lower case."""

    def __init__(self, statuses: tuple[int, ...] = (), tls: ssl.SSLContext | None = None) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        self.go_on = threading.Event()
        self.go_on.set()
        self._statuses = iter(statuses)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def next(self, timeout_s: float = 30) -> Received:
        return self.received.get(timeout=timeout_s)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.put(Received(self.path, headers, body))
                receiver.go_on.wait(ANSWER_WAIT_S)
                status = next(receiver._statuses, 200)
                try:
                    redirects = status in (301, 302, 307, 308)
                    self.respond(status, b"ok", **({"Location": "/elsewhere"} if redirects else {}))
                except OSError:
                    pass  # the client has timed out

        return Handler


@contextmanager
def receiving(statuses: tuple[int, ...] = (), tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(statuses, tls)
    with serving(receiver.server):
        try:
            yield receiver
        finally:
            receiver.go_on.set()
