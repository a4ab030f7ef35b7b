"""One Celery task per image: a small Starlette front that waits for each result in a thread."""

import time
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.celery_tasks import classify_one
from benchmarks.peers.digits import ROUTE, tuning

THREADS = 256  # one per connection: every request holds a thread while it waits
TIMEOUT_S = 60


def run_task(png: bytes) -> dict[str, Any]:
    """Block until the result arrives."""
    started_s = time.perf_counter()
    pending = classify_one.delay(png)
    reply: dict[str, Any] = pending.get(timeout=TIMEOUT_S)
    pending.forget()
    return reply | {"elapsed_time_ms": round((time.perf_counter() - started_s) * 1e3, 3)}


async def post_classify(request: Request) -> Response:
    reply = await anyio.to_thread.run_sync(run_task, await request.body())
    return Response(orjson.dumps(reply), media_type="application/json")


@asynccontextmanager
async def lifespan(app: Starlette) -> Any:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def main() -> None:
    app = Starlette(routes=[Route(ROUTE, post_classify, methods=["POST"])], lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=tuning().port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
