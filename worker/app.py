"""The Celery application: `celery -A worker.app worker --pool solo`."""

import os

from celery import Celery

from shared.settings import Settings, load_settings
from worker.step import BatchingStep


def make_app(settings: Settings) -> Celery:
    """JSON only, nothing acknowledged early, every broker wait bounded."""
    app = Celery("mnistified", broker=settings.redis_url, backend=settings.redis_url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_expires=settings.result_ttl_s,
        task_acks_late=True,
        task_default_queue="mnistified",
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_pool="solo",
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 10, "socket_connect_timeout": 5},
        timezone="UTC",
    )
    app.settings = settings
    app.steps["worker"].add(BatchingStep)
    return app


app = make_app(load_settings(os.environ))
