"""One Celery task per image: the worker's side. `celery -A benchmarks.peers.celery_tasks worker`."""

import os
from functools import cache
from typing import Any

from celery import Celery

from benchmarks.peers.digits import classify, load_digits
from worker.engine import Engine

app = Celery("celery-tasks", broker=os.environ["PEER_REDIS_URL"], backend=os.environ["PEER_REDIS_URL"])
app.conf.update(result_expires=60)


@cache
def engine() -> Engine:
    """Load the engine in the first task of a process, after the fork."""
    return load_digits()


@app.task
def classify_one(png: bytes) -> dict[str, Any]:
    return classify(engine(), [png], [0.0])[0]
