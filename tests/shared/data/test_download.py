import gzip
import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from shared.data.download import fetch
from shared.errors import DatasetError

CONTENT = {"images": bytes(range(256)) * 40, "labels": b"\0\0\x08\x01labels"}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
# Stored without compression, so that the files are long enough to be interrupted.
PUBLISHED = {f"{name}.gz": gzip.compress(content, 0) for name, content in CONTENT.items()}


@dataclass
class Mirror:
    """A web server for `files`. `requests` collects (file, Range header or None)."""

    files: dict[str, bytes]
    ranges: bool = True
    cut_at: int | None = None  # close the connection after this many bytes
    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)


def make_handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            byte_range = self.headers.get("Range")
            mirror.requests.append((name, byte_range))
            if name not in mirror.files:
                self.send_error(404)
                return
            content, start = mirror.files[name], 0
            if mirror.ranges and byte_range and (match := re.fullmatch(r"bytes=(\d+)-", byte_range)):
                start = int(match[1])
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : mirror.cut_at])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serving(mirror: Mirror) -> Iterator[Mirror]:
    with ThreadingHTTPServer(("127.0.0.1", 0), make_handler(mirror)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        mirror.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def mirror(servers: ExitStack) -> Mirror:
    return servers.enter_context(serving(Mirror(PUBLISHED)))


def assert_complete(directory: Path) -> None:
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == PUBLISHED


def test_all_files_are_downloaded_once(mirror: Mirror, tmp_path: Path) -> None:
    fetch(tmp_path / "deep/mnist", [mirror.url], SHA256)
    assert_complete(tmp_path / "deep/mnist")
    fetch(tmp_path / "deep/mnist", [mirror.url], SHA256)
    assert mirror.requests == [("images.gz", None), ("labels.gz", None)]


def test_a_part_is_resumed_from_its_end(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "images.gz.part").write_bytes(PUBLISHED["images.gz"][:1000])
    fetch(tmp_path, [mirror.url], SHA256)
    assert_complete(tmp_path)
    assert mirror.requests[0] == ("images.gz", "bytes=1000-")


def test_a_part_that_is_complete_is_not_downloaded_again(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "images.gz.part").write_bytes(PUBLISHED["images.gz"])
    fetch(tmp_path, [mirror.url], SHA256)
    assert_complete(tmp_path)


def test_a_server_without_range_support_sends_the_whole_file(servers: ExitStack, tmp_path: Path) -> None:
    mirror = servers.enter_context(serving(Mirror(PUBLISHED, ranges=False)))
    (tmp_path / "images.gz.part").write_bytes(b"anything")
    fetch(tmp_path, [mirror.url], SHA256)
    assert_complete(tmp_path)


def test_the_next_mirror_resumes_an_interrupted_download(servers: ExitStack, mirror: Mirror, tmp_path: Path) -> None:
    breaking = servers.enter_context(serving(Mirror(PUBLISHED, cut_at=5000)))
    fetch(tmp_path, [breaking.url, mirror.url], SHA256)
    assert_complete(tmp_path)
    assert ("images.gz", "bytes=5000-") in mirror.requests


def test_a_part_with_another_compression_is_downloaded_again(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "images.gz.part").write_bytes(gzip.compress(CONTENT["images"], 9)[:40])
    fetch(tmp_path, [mirror.url], SHA256)
    assert_complete(tmp_path)
    assert mirror.requests[:2] == [("images.gz", "bytes=40-"), ("images.gz", None)]


def test_an_unreachable_mirror_is_skipped(mirror: Mirror, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening, so it refuses connections
        fetch(tmp_path, [f"http://127.0.0.1:{unused.getsockname()[1]}", mirror.url], SHA256)
    assert_complete(tmp_path)


def test_a_corrupt_file_is_removed_and_downloaded_from_the_next_mirror(
    servers: ExitStack, mirror: Mirror, tmp_path: Path
) -> None:
    corrupt = servers.enter_context(serving(Mirror({name: gzip.compress(b"other") for name in PUBLISHED})))
    fetch(tmp_path, [corrupt.url, mirror.url], SHA256)
    assert_complete(tmp_path)


def test_an_existing_damaged_file_is_downloaded_again(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "labels.gz").write_bytes(PUBLISHED["labels.gz"][:-3])
    fetch(tmp_path, [mirror.url], SHA256)
    assert_complete(tmp_path)


def test_the_error_has_the_reason_of_every_mirror(servers: ExitStack, tmp_path: Path) -> None:
    empty = servers.enter_context(serving(Mirror({})))
    corrupt = servers.enter_context(serving(Mirror({"images.gz": b"no gzip"})))
    with pytest.raises(DatasetError, match=r"no mirror has images\.gz") as refused:
        fetch(tmp_path, [empty.url, corrupt.url], SHA256)
    assert "404" in str(refused.value)
    assert f"{corrupt.url}images.gz: the download is not the published file" in str(refused.value)
    assert list(tmp_path.iterdir()) == []
