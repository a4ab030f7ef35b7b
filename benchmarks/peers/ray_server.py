"""Ray Serve: its HTTP proxy and a replica with dynamic batching, with its setting for throughput."""

import os
import signal
import tempfile
import threading
import time
from typing import Any

import msgspec
import ray
import ray._private.services
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.peers.digits import ROUTE, classify, load_digits, tuning

CHOSEN = tuning()


@serve.deployment(
    num_replicas=CHOSEN.workers,
    max_ongoing_requests=1024,
    ray_actor_options={"num_cpus": 0.1},  # a number for the scheduler, not a limit
)
class Classify:
    def __init__(self) -> None:
        self.engine = load_digits()

    @serve.batch(max_batch_size=CHOSEN.batch_images, batch_wait_timeout_s=CHOSEN.wait_ms / 1e3)
    async def predict(self, inputs: list[tuple[float, bytes]]) -> list[dict[str, Any]]:
        started_s, pngs = zip(*inputs, strict=True)
        return classify(self.engine, list(pngs), list(started_s))

    async def __call__(self, request: Request) -> Response:
        started_s = time.perf_counter()
        reply = await self.predict((started_s, await request.body()))
        return Response(msgspec.json.encode(reply), media_type="application/json")


def listen_on_loopback() -> None:
    """Runs in each process of Ray: otherwise a replica's port is open on every interface."""
    import ray.serve._private.replica as replica

    add_port = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: add_port(server, address.replace("[::]", "127.0.0.1"))


def main() -> None:
    # Ray would replace the loopback address by a public one and listen there.
    ray._private.services.resolve_ip_for_localhost = lambda host: host
    ray.init(
        num_cpus=len(os.sched_getaffinity(0)),
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 << 20,
        runtime_env={"worker_process_setup_hook": "benchmarks.peers.ray_server.listen_on_loopback"},
        _node_ip_address="127.0.0.1",
        _temp_dir=tempfile.gettempdir(),
    )
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):  # after ray.init, which sets its own
        signal.signal(signum, lambda *_: ended.set())
    serve.start(http_options={"host": "127.0.0.1", "port": CHOSEN.port})
    serve.run(Classify.bind(), route_prefix=ROUTE)  # type: ignore[attr-defined]
    ended.wait()
    ray.shutdown()


if __name__ == "__main__":
    main()
