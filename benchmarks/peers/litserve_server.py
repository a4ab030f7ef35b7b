"""LitServe: FastAPI in front, ZeroMQ to the workers, which form the batches."""

import time
from typing import Annotated, Any

import litserve as ls
from fastapi import Depends, Request

from benchmarks.peers.digits import ROUTE, classify, load_digits, tuning

Png = tuple[float, bytes]
API_SERVERS = 2  # a single server is slower


async def read_png(request: Request) -> bytes:
    """The raw body: LitServe itself reads only forms and JSON."""
    return await request.body()


class DigitsAPI(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.engine = load_digits()

    def decode_request(self, request: Annotated[bytes, Depends(read_png)]) -> Png:
        return time.perf_counter(), request

    def batch(self, inputs: list[Png]) -> list[Png]:
        return inputs

    def predict(self, x: list[Png]) -> list[dict[str, Any]]:
        started_s, pngs = zip(*x, strict=True)
        return classify(self.engine, list(pngs), list(started_s))

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output


def main() -> None:
    chosen = tuning()
    api = DigitsAPI(max_batch_size=chosen.batch_images, batch_timeout=chosen.wait_ms / 1e3, api_path=ROUTE)
    server = ls.LitServer(api, accelerator="cpu", devices=1, workers_per_device=chosen.workers, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=chosen.port,
        num_api_servers=API_SERVERS,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
