"""The flood: answers, refusals and failures are told apart, and Retry-After is heeded where that is asked for."""

import socketserver
import threading
from collections.abc import Iterator

import pytest

from benchmarks.load.flood import Flood, Seen, tell

SECONDS = 0.3


class Server(socketserver.ThreadingTCPServer):
    """Answers the requests of each connection with `replies` in turn; an empty one closes the connection."""

    allow_reuse_address = True
    daemon_threads = True
    replies: tuple[bytes, ...] = ()


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Server)
        answered = 0
        while self.request.recv(65536):
            reply = self.server.replies[answered % len(self.server.replies)]
            answered += 1
            if not reply:
                return
            self.request.sendall(reply)


def reply(status: int, head: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{head}\r\n{{}}".encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def flooded(server: Server, *replies: bytes, patient: bool = False) -> Seen:
    server.replies = replies
    flood = Flood(server.server_address[1], [b"POST / HTTP/1.1\r\n\r\n"], 4, patient)
    flood.run(SECONDS)
    flood.close()
    return flood.seen


def test_answers_refusals_and_failures_are_told_apart(server: Server) -> None:
    seen = flooded(server, reply(200), reply(429), reply(503), reply(500))
    assert len(seen.accepted_s) >= 4
    assert set(seen.refused) == {"429", "503"}
    assert set(seen.failed) == {"500"}
    assert len(seen.refused_s) == sum(seen.refused.values())


def test_a_connection_that_breaks_is_a_failure_and_is_replaced(server: Server) -> None:
    seen = flooded(server, reply(200), b"")
    assert set(seen.failed) == {"closed"}
    assert len(seen.accepted_s) > 4


def test_who_is_patient_waits_for_as_long_as_it_is_told(server: Server) -> None:
    seen = flooded(server, reply(429, "retry-after: 60\r\n"), patient=True)
    assert seen.refused == {"429": 4}


def test_who_is_not_patient_sends_again_at_once(server: Server) -> None:
    assert flooded(server, reply(429, "retry-after: 60\r\n")).refused["429"] > 4


def test_times_are_told_in_milliseconds() -> None:
    seen = Seen(accepted_s=[0.001, 0.002, 0.003], refused_s=[0.5])
    told = tell(seen, 2.0)
    assert (told["accepted"], told["p50_ms"], told["p99_ms"], told["refused_p99_ms"]) == (3, 2.0, 3.0, 500.0)
    assert tell(Seen(), 2.0)["p99_ms"] == 0.0
