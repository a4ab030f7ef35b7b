"""`python -m benchmarks.floor.api REDIS_PORT PORT`: the API of the floor. Its HTTP protocol is the request."""

import asyncio
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import hiredis
import httptools
import numpy as np
import orjson
import uvloop

from api.images.plain_png import plain_pixels
from benchmarks.floor import QUEUED, STREAM
from shared.shapes import CLASSES

ADD = Path(__file__).with_name("add.lua").read_text()
ENTRY_IMAGES, MAX_IMAGES = 32, 20_000
UID_BYTES = 16
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: 0123456789abcdef\r\n\r\n"
)


class Waiting(NamedTuple):
    """A request whose image is in an entry."""

    protocol: "Http"
    pixels: bytes
    started_s: float


class Redis(asyncio.Protocol):
    """A connection. `on_message` gets the data of published messages."""

    def __init__(self, on_message: Callable[[bytes], None] | None = None) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[Callable[[Any], None]] = deque()
        self._on_message = on_message

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if self._on_message is not None:
                if reply[0] == b"message":
                    self._on_message(reply[2])
            else:
                self._waiting.popleft()(reply)

    def call(self, done: Callable[[Any], None], *command: str | bytes | int) -> None:
        self._waiting.append(done)
        self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]


class Queue:
    """Writes the images that have gathered as one entry, while none is being written, and answers entries."""

    def __init__(self) -> None:
        self.channel = f"floor:{secrets.token_hex(4)}"
        self._gathered: list[Waiting] = []
        self._waiting: dict[str, list[Waiting]] = {}
        self._writing = False

    def open(self, redis: Redis, sha: str) -> None:
        self._redis, self._sha = redis, sha
        self._loop = asyncio.get_running_loop()

    def put(self, waiting: Waiting) -> None:
        self._gathered.append(waiting)
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        group, self._gathered = self._gathered[:ENTRY_IMAGES], self._gathered[ENTRY_IMAGES:]
        if not group:
            self._writing = False
            return
        uid = secrets.token_hex(UID_BYTES // 2)
        self._waiting[uid] = group
        pixels = b"".join([each.pixels for each in group])
        values = (f"{self.channel} {uid}", pixels, len(group), MAX_IMAGES)
        self._redis.call(lambda _: self._write(), "EVALSHA", self._sha, 2, STREAM, QUEUED, *values)

    def answer(self, data: bytes) -> None:
        uid = data[:UID_BYTES].decode()
        group = self._waiting.pop(uid)
        count = len(group)
        probabilities = np.frombuffer(data, np.float32, count * CLASSES, UID_BYTES).reshape(count, CLASSES)
        predictions = probabilities.argmax(1).tolist()
        worker = data[UID_BYTES + probabilities.nbytes :].decode()
        now_s = time.perf_counter()
        for position, waiting in enumerate(group):
            reply = {
                "prediction": predictions[position],
                "elapsed_time_ms": round((now_s - waiting.started_s) * 1e3, 3),
                "model": worker,
                "id": f"{uid}-{position}",
                "debug": {"probabilities": probabilities[position], "batch_images": count, "worker": worker},
            }
            waiting.protocol.respond(orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY))


class Http(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._parser: Any = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        started_s = time.perf_counter()
        pixels = plain_pixels(self._body)
        if pixels is None:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        else:
            self._queue.put(Waiting(self, pixels, started_s))

    def respond(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(HEAD % len(body) + body)


async def serve(redis_port: int, port: int) -> None:
    loop = asyncio.get_running_loop()
    queue = Queue()
    _, redis = await loop.create_connection(Redis, "127.0.0.1", redis_port)
    _, subscription = await loop.create_connection(lambda: Redis(queue.answer), "127.0.0.1", redis_port)
    sha: asyncio.Future[bytes] = loop.create_future()
    redis.call(sha.set_result, "SCRIPT", "LOAD", ADD)
    queue.open(redis, (await sha).decode())
    subscription.call(lambda _: None, "SUBSCRIBE", queue.channel)
    server = await loop.create_server(lambda: Http(queue), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
