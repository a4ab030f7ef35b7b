"""The settings that every Celery application of this project has."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from celery import Celery
from redis.connection import parse_url

from shared.settings import Settings


def make_celery(name: str, settings: Settings) -> Celery:
    """JSON only, nothing acknowledged early, every broker wait bounded."""
    url, tls = celery_address(settings.redis_url)
    app = Celery(name, broker=url, backend=url)
    app.conf.update(
        broker_use_ssl=tls,
        redis_backend_use_ssl=tls,
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


def celery_address(redis_url: str) -> tuple[str, dict[str, Any] | None]:
    """REDIS_URL as Celery needs it: without its `ssl_…` options, and these beside it, as redis-py reads them.

    Left to itself, Celery's broker verifies no certificate, its backend refuses to start, and Flower reads no options.
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "rediss":
        return redis_url, None
    url_options: dict[str, Any] = parse_url(redis_url)  # type: ignore[no-untyped-call]
    options = {key: value for key, value in url_options.items() if key.startswith("ssl_")}
    query = [(key, value) for key, value in parse_qsl(parts.query) if not key.startswith("ssl_")]
    return parts._replace(query=urlencode(query)).geturl(), {"ssl_cert_reqs": "required", **options}
