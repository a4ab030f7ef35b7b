"""Mosec, one stage: a worker decodes, predicts and encodes batches that the Rust front end has formed."""

import sys
import time
from typing import Any

import msgspec
from mosec import Server, Worker

from benchmarks.peers.digits import ROUTE, classify, load_digits, tuning


class Classify(Worker):
    def __init__(self) -> None:
        self.engine = load_digits()

    def deserialize(self, data: bytes) -> tuple[float, bytes]:
        return time.perf_counter(), data

    def forward(self, data: Any) -> Any:
        """Classify a list of images. With a maximum batch size of one, Mosec passes the image itself."""
        if isinstance(data, tuple):
            return classify(self.engine, [data[1]], [data[0]])[0]
        started_s, pngs = zip(*data, strict=True)
        return classify(self.engine, list(pngs), list(started_s))

    def serialize(self, data: dict[str, Any]) -> bytes:
        return msgspec.json.encode(data)


def main() -> None:
    chosen = tuning()
    sys.argv += ["--address", "127.0.0.1", "--port", str(chosen.port), "--log-level", "error", "--timeout", "60000"]
    server = Server()
    server.append_worker(
        Classify, num=chosen.workers, max_batch_size=chosen.batch_images, max_wait_time=int(chosen.wait_ms), route=ROUTE
    )
    server.run()


if __name__ == "__main__":
    main()
