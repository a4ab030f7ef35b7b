"""The bootstep that runs the batching service in a Celery worker.

It is a step of the worker and not of its consumer, which restarts with the broker's connection.
"""

import logging
import sys
import time
from typing import Any

from celery import bootsteps
from celery.exceptions import ImproperlyConfigured
from celery.worker.state import maybe_shutdown
from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.errors import MnistifiedError
from shared.redis import keys
from shared.redis.connection import worker_client
from shared.redis.errors import explain, passes
from shared.telemetry.seldom import SeldomLog

logger = logging.getLogger(__name__)

RETRY_S = 1.0


class BatchingStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts and stops the service. Celery calls `start` before it is ready, `stop` on TERM, `terminate` on QUIT."""

    requires = frozenset({"celery.worker.components:Pool"})
    _service: Any = None

    def start(self, parent: Any) -> None:
        if not parent.pool_cls.__module__.endswith(".solo"):
            raise ImproperlyConfigured("a model is never loaded before a fork: start the worker with --pool solo")
        # Imported here: Flower and `celery inspect` import the application, and must not load an engine or NumPy.
        from worker.reporting.flower_events import BatchEvents
        from worker.service import BatchingService

        wait_for_redis(parent.app.settings)
        service = BatchingService(parent.app.settings, parent.hostname, BatchEvents(parent).send)
        try:
            service.start()
        except MnistifiedError as error:  # a model or a setting
            print(f"{parent.hostname}: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except RedisError as error:
            print(f"{parent.hostname}: {explain(error)}: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        self._service = service
        parent.batching = self._service  # for worker/control.py

    def stop(self, parent: Any) -> None:
        if self._service is not None:
            self._service.stop()

    terminate = stop


def wait_for_redis(settings: Settings) -> None:
    """Block until Redis accepts writes, or until the worker has to stop. Raises RedisError if a command fails."""
    seldom = SeldomLog(logger)
    while True:
        try:
            with worker_client(settings, patient=False) as client:
                client.delete(keys.NEVER_SET)  # a write that a full Redis accepts, because workers make room
            return
        except RedisError as error:
            if not passes(error):
                raise
            seldom.log(logging.WARNING, f"the start waits: {explain(error)}")
        time.sleep(RETRY_S)
        maybe_shutdown()
