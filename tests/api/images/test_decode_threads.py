"""A file that takes long to decode is decoded in a thread, and later requests are served meanwhile."""

import asyncio
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.images import decode_threads
from api.images.decode import FAST_BYTES, decode_image, is_fast
from api.images.decode_threads import MAX_WAITING, THREADS, Decoder
from api.images.pixel_budget import PixelBudget
from api.metrics import Metrics
from shared.data.dataset import Split
from shared.errors import BadImage, QueueFull
from tests.api.images.test_decode import FILES
from tests.support.system import System
from tests.support.uploads import image_file
from tools.fuzz.corpus_images import png, png_chunk

MANY_CHUNKS = png(png_chunk(b"aaAa", b"") * 87_000)  # takes Pillow most of a second
LARGE = png(png_chunk(b"aaAa", bytes(FAST_BYTES)))


@pytest.mark.parametrize("name", sorted(FILES))
def test_ordinary_files_are_fast(name: str) -> None:
    assert is_fast(FILES[name])


@pytest.mark.parametrize("packed", [b"iCCP", b"iTXt", b"zTXt"])
def test_large_files_and_compressed_chunks_are_slow(packed: bytes) -> None:
    assert not is_fast(LARGE)
    assert not is_fast(png(png_chunk(packed, b"a\0\0")))


class BlockingDecoder:
    """Replaces `decode_image`. Every slow file waits for `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self._decode = decode_image
        monkeypatch.setattr(decode_threads, "decode_image", self.decode)

    def decode(self, data: bytes) -> bytes:
        if not is_fast(data):
            self.begun.release()
            assert self.go.wait(30)
            return bytes(784)
        return self._decode(data)


async def test_fast_files_do_not_wait_for_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    blocking = BlockingDecoder(monkeypatch)
    decoder = Decoder(10**6, PixelBudget(10**6), Metrics().decoded)
    slow = [asyncio.create_task(decoder.decode(LARGE)) for _ in range(MAX_WAITING)]
    for _ in range(THREADS):
        assert await asyncio.to_thread(blocking.begun.acquire, timeout=30)
    assert len(await decoder.decode(FILES["PNG"])) == 784
    assert not any(task.done() for task in slow)
    with pytest.raises(QueueFull, match="64 large image files"):
        await decoder.decode(LARGE)
    blocking.go.set()
    assert {len(pixels) for pixels in await asyncio.gather(*slow)} == {784}
    assert len(await decoder.decode(LARGE)) == 784
    decoder.close()


async def test_a_large_file_that_is_not_an_image_is_refused() -> None:
    decoder = Decoder(10**6, PixelBudget(10**6), Metrics().decoded)
    with pytest.raises(BadImage, match="not an image"):
        await decoder.decode(b"hello" * FAST_BYTES)
    decoder.close()


@pytest.mark.parametrize("path", ["/mnist/classify", "/mnist/classify/bulk"])
def test_other_requests_are_served_while_a_crafted_image_is_decoded(system: System, test_set: Split, path: str) -> None:
    """The crafted image's last bytes are sent after the rest, so that later responses overlap its decoding."""
    if path == "/mnist/classify":
        body, content_type = MANY_CHUNKS, "image/png"
    else:
        body = b'--b\r\nContent-Disposition: form-data; name="1"\r\n\r\n' + MANY_CHUNKS + b"\r\n--b--"
        content_type = "multipart/form-data; boundary=b"
    crafted = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
    crafted.putrequest("POST", path)
    crafted.putheader("Content-Length", str(len(body)))
    crafted.putheader("Content-Type", content_type)
    crafted.endheaders(body[:-10])
    neighbour = image_file(test_set.images[0])
    assert system.http.post("/mnist/classify", content=neighbour).status_code == 200
    with ThreadPoolExecutor(1) as pool:
        crafted.send(body[-10:])
        decoded = pool.submit(crafted.getresponse)
        answered = 0
        while not decoded.done():
            assert system.http.post("/mnist/classify", content=neighbour).status_code == 200
            answered += not decoded.done()
        assert decoded.result().status in (200, 202)
    crafted.close()
    assert answered >= 3
