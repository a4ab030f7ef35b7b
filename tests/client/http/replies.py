"""A TCP server that answers the requests of each connection with the given replies in turn."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import threads


class Server(socketserver.ThreadingTCPServer):
    """An empty reply closes the connection. `received` holds every request, as it arrived."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, replies: tuple[bytes, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies = replies
        self.received: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Server)
        answered = 0
        while request := self.request.recv(65536):
            self.server.received.append(request)
            reply = self.server.replies[answered % len(self.server.replies)]
            answered += 1
            if not reply:
                return
            self.request.sendall(reply)


def reply(status: int, head: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{head}\r\n{{}}".encode()


@contextmanager
def serving(*replies: bytes) -> Iterator[Server]:
    server = Server(replies)
    with threads.serving(server):
        yield server
