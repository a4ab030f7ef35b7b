"""The settings that every Celery application of this project has."""

from celery import Celery

from shared.settings import Settings


def make_celery(name: str, settings: Settings) -> Celery:
    """JSON only, nothing acknowledged early, every broker wait bounded."""
    app = Celery(name, broker=settings.redis_url, backend=settings.redis_url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_expires=settings.result_ttl_s,
        task_acks_late=True,
        task_default_queue="mnistified",
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 10, "socket_connect_timeout": 5},
        timezone="UTC",
    )
    app.settings = settings
    return app
