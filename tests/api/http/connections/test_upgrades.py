"""A request that offers another protocol is answered as if it did not, with any method, size and framing."""

import http.client
import json
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from shared.data.dataset import Split
from tests.support.system import System
from tests.support.uploads import image_file, npy

OFFER = (
    b"Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
)
LARGE = npy(np.zeros((2000, 28, 28), np.uint8))
JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;

public class Offer {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (var path : new String[] {"/mnist/classify", "/mnist/classify/bulk"}) {
            for (var continues : new boolean[] {false, true}) {
                var file = Path.of(given[path.endsWith("bulk") ? 2 : 1]);
                var request = HttpRequest.newBuilder(URI.create(given[0] + path)).expectContinue(continues);
                request.POST(HttpRequest.BodyPublishers.ofFile(file));
                var answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
                System.out.println(answer.statusCode() + " " + answer.version());
            }
        }
    }
}
"""


def exchange(system: System, *pieces: bytes) -> tuple[int, dict[str, object]]:
    with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read_json(connection)


def read_json(connection: socket.socket) -> tuple[int, dict[str, object]]:
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        return response.status, json.loads(response.read())


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("at_once", [True, False], ids=["one packet", "head first"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_is_read_although_its_head_offers_an_upgrade(
    system: System, test_set: Split, framing: str, at_once: bool
) -> None:
    digit = image_file(test_set.images[7])
    body = chunked(digit, 50) if framing == "chunks" else digit
    lines = b"Transfer-Encoding: chunked" if framing == "chunks" else b"Content-Length: %d" % len(digit)
    head = b"POST /mnist/classify HTTP/1.1\r\n" + OFFER + lines + b"\r\n\r\n"
    status, reply = exchange(system, *([head + body] if at_once else [head, body]))
    assert (status, reply["prediction"]) == (200, test_set.labels[7])


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE", b"PUT", b"HEAD", b"OPTIONS"])
def test_every_method_gets_the_status_that_it_gets_without_an_upgrade(system: System, method: bytes) -> None:
    statuses = []
    for offer in (b"Host: localhost\r\n", OFFER):
        with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
            connection.sendall(method + b" /models/cnn HTTP/1.1\r\n" + offer + b"Content-Length: 2\r\n\r\n{}")
            with http.client.HTTPResponse(connection, method=method.decode()) as response:
                response.begin()
                statuses.append(response.status)
    assert statuses[0] == statuses[1]


def test_a_connection_continues_after_requests_with_an_upgrade(system: System) -> None:
    """A large upload, then two requests in one packet."""
    upload = b"POST /mnist/classify/bulk HTTP/1.1\r\n" + OFFER + b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE
    get = b"GET /mnist/label/7 HTTP/1.1\r\n" + OFFER + b"\r\n"
    with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
        connection.sendall(upload)
        status, job = read_json(connection)
        assert (status, job["total"]) == (202, 2000)
        connection.sendall(get + get.replace(b"h2c", b"websocket"))
        stream = connection.makefile("rb")
        for _ in range(2):
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = http.client.parse_headers(stream)
            assert "label" in json.loads(stream.read(int(headers["content-length"])))
    system.http.delete(f"/results/{job['id']}")


def test_a_client_that_expects_100_continue_gets_it_despite_its_upgrade(system: System) -> None:
    with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
        head = b"POST /mnist/classify HTTP/1.1\r\n" + OFFER
        connection.sendall(head + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_json(connection)[0] == 400


def test_a_tunnel_is_refused(system: System) -> None:
    status, problem = exchange(system, b"CONNECT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab")
    assert status == 400
    assert "no proxy" in str(problem["detail"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="no Java")
def test_javas_own_client_is_served(system: System, test_set: Split, tmp_path: Path) -> None:
    (tmp_path / "Offer.java").write_text(JAVA)
    (tmp_path / "7.png").write_bytes(image_file(test_set.images[7]))
    (tmp_path / "all.npy").write_bytes(LARGE)
    command = ["java", "Offer.java", system.url, "7.png", "all.npy"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.stdout.split("\n")[:-1] == ["200 HTTP_1_1"] * 2 + ["202 HTTP_1_1"] * 2, ran.stderr
