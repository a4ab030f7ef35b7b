"""BentoML: its HTTP server and its adaptive batching, in one process, with the PNG as the raw body."""

import os
import sys
import time
from typing import Annotated, Any

import bentoml
from pydantic import GetJsonSchemaHandler, PlainSerializer
from pydantic_core import core_schema

from benchmarks.peers.digits import ROUTE, classify, load_digits, tuning

CHOSEN = tuning()


class RawBody:
    """A request's body as a batch of one: `[(arrival time, bytes)]`. BentoML itself makes a file of raw bytes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda body: [(time.perf_counter(), body)])

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "file", "format": "binary"}


Pngs = Annotated[list[Any], RawBody()]
Replies = Annotated[list[Any], PlainSerializer(lambda replies: replies[0])]  # a batch of one: the reply itself


@bentoml.service(
    workers=CHOSEN.workers,
    threads=1,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Classify:
    def __init__(self) -> None:
        self.engine = load_digits()

    @bentoml.api(batchable=True, route=ROUTE, max_batch_size=CHOSEN.batch_images, max_latency_ms=int(CHOSEN.wait_ms))
    def classify(self, pngs: Pngs, /) -> Replies:
        started_s, bodies = zip(*pngs, strict=True)
        return classify(self.engine, list(bodies), list(started_s))


def main() -> None:
    """Replace this process by `bentoml serve`."""
    command = [sys.executable, "-m", "bentoml", "serve", "benchmarks.peers.bentoml_server:Classify"]
    command += ["--host", "127.0.0.1", "--port", str(CHOSEN.port)]
    os.execv(command[0], command)  # noqa: S606  # no shell


if __name__ == "__main__":
    main()
