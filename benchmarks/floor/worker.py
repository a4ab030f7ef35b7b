"""`python -m benchmarks.floor.worker REDIS_PORT MODEL`: the worker of the floor, which has one thread.

MODEL is a LiteRT file of one network.
"""

import socket
import sys
from pathlib import Path
from typing import Any

import hiredis
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from benchmarks.floor import QUEUED, STREAM
from shared.images import Images, Probabilities
from shared.shapes import CLASSES, MNIST_SHAPE

GROUP, NAME = "workers", "worker-1"
FINISH = Path(__file__).with_name("finish.lua").read_text()
MAX_IMAGES = 64  # in one run
READ = ("XREADGROUP", "GROUP", GROUP, NAME, "COUNT", 8, "BLOCK", 0, "STREAMS", STREAM, ">")
SIDE = MNIST_SHAPE[0]


class Redis:
    """A connection that blocks."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def send(self, *commands: tuple[str | bytes | int, ...]) -> None:
        self._sock.sendall(b"".join(map(hiredis.pack_command, commands)))  # type: ignore[arg-type]

    def receive(self) -> Any:
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._sock.recv(1 << 20))
        return reply

    def call(self, *command: str | bytes | int) -> Any:
        self.send(command)
        return self.receive()


class Engine:
    """A network with an interpreter for every number of images up to MAX_IMAGES."""

    def __init__(self, file: Path) -> None:
        self._interpreters: list[Any] = []
        for count in range(1, MAX_IMAGES + 1):
            interpreter = Interpreter(str(file), num_threads=1)
            interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [count, SIDE, SIDE, 1])
            interpreter.allocate_tensors()
            self._interpreters.append(interpreter)
        self._input = self._interpreters[0].get_input_details()[0]["index"]
        self._output = self._interpreters[0].get_output_details()[0]["index"]
        for count in range(1, MAX_IMAGES + 1):
            self.predict(np.zeros((count, SIDE, SIDE), np.uint8))

    def predict(self, images: Images) -> Probabilities:
        if len(images) > MAX_IMAGES:
            starts = range(0, len(images), MAX_IMAGES)
            return np.concatenate([self.predict(images[start : start + MAX_IMAGES]) for start in starts])
        interpreter = self._interpreters[len(images) - 1]
        interpreter.set_tensor(self._input, images[..., None].astype(np.float32))
        interpreter.invoke()
        probabilities: Probabilities = interpreter.get_tensor(self._output)
        return probabilities


def main(port: int, file: Path) -> None:
    redis, engine = Redis(port), Engine(file)
    redis.call("XGROUP", "CREATE", STREAM, GROUP, 0, "MKSTREAM")
    sha = redis.call("SCRIPT", "LOAD", FINISH)
    redis.send(READ)
    while True:
        [(_, entries)] = redis.receive()
        images = [np.frombuffer(fields[3], np.uint8).reshape(-1, SIDE, SIDE) for _, fields in entries]
        answers = engine.predict(images[0] if len(images) == 1 else np.concatenate(images))[:, :CLASSES]
        commands: list[tuple[str | bytes | int, ...]] = []
        start = 0
        for (entry_id, fields), group in zip(entries, images, strict=True):
            channel, uid = fields[1].decode().split()
            block = answers[start : start + len(group)].tobytes() + NAME.encode()
            start += len(group)
            keys = (3, STREAM, QUEUED, f"floor:result:{uid}")
            commands.append(("EVALSHA", sha, *keys, GROUP, entry_id, len(group), uid, channel, block))
        redis.send(*commands, READ)
        for _ in entries:
            assert redis.receive() == b"written", "another worker has answered the entry"


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
