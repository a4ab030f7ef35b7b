"""Threads that run until a test's block ends."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler


@contextmanager
def repeating(act: Callable[[int], object], threads: int = 1) -> Iterator[None]:
    """Call `act` with the number of its thread, again and again."""
    ended = threading.Event()

    def repeat(number: int) -> None:
        while not ended.is_set():
            act(number)

    running = [threading.Thread(target=repeat, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in running:
            thread.join()


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Run the server, and close it at the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class QuietHandler(BaseHTTPRequestHandler):
    """A handler of HTTP requests that logs nothing."""

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""
