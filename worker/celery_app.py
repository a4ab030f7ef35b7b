"""The settings that every Celery application of this project has."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import click
from celery import Celery, signals
from celery.app.control import Control
from redis.connection import parse_url

from shared.config.sentinels import LOGIN, Sentinels, parse_sentinels
from shared.config.settings import Settings, load_settings
from shared.errors import MnistifiedError, SettingError
from shared.redis.connection import ASK_SENTINEL
from shared.redis.reachable import check_redis
from shared.telemetry.logs import configure_logs


class Commands(Control):  # type: ignore[misc]
    """Sends commands to workers. On the command line, Celery would wait for an unreachable Redis forever."""

    def broadcast(self, *args: Any, **kwargs: Any) -> Any:
        """Do what Celery's method does. Raises SettingError on the command line if no Redis answers."""
        if click.get_current_context(silent=True) is not None:
            check_redis(self.app.settings)
        return super().broadcast(*args, **kwargs)


def make_or_exit(make_app: Callable[[Settings], Celery]) -> Celery:
    """Return the application for the environment's settings. A wrong setting ends the program with one sentence."""
    try:
        return make_app(load_settings(os.environ))
    except MnistifiedError as error:
        sys.exit(f"celery: {error}")


def make_celery(name: str, settings: Settings) -> Celery:
    """Create an application: JSON only, late acknowledgements, bounded waits for the broker.

    Its workers exit with one sentence if no Redis answers when they start.
    """
    url, tls, sentinel_options = celery_address(settings.redis_url)
    app = Celery(name, broker=url, backend=url, control=Commands)
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
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker must not exit because of a long outage
        broker_channel_error_retry=True,  # the same if Redis refuses a command of Celery
        broker_transport_options={
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "unacked_restore_throttle": 1,  # tasks of a dead worker are searched every 10 s instead of every 100 s
            **sentinel_options,
        },
        result_backend_transport_options=sentinel_options,
        timezone="UTC",
    )
    app.settings = settings
    _require_redis(settings)
    _log_as_all_programs(settings.log_format)
    return app


def _require_redis(settings: Settings) -> None:
    def check(sender: str, **_: Any) -> None:
        try:
            check_redis(settings, "worker")
        except SettingError as error:
            sys.exit(f"{sender}: {error}")

    signals.celeryd_init.connect(check, weak=False, dispatch_uid="mnistified.redis")


def _log_as_all_programs(log_format: str) -> None:
    """Replace Celery's logging when a worker starts. It logs nothing before `celeryd_init`."""

    def begin(sender: str, instance: Any, options: dict[str, Any], **_: Any) -> None:
        if configure_logs(log_format, options["loglevel"], sender):
            instance.quiet = True  # no banner
            log = instance.app.log
            stdout = log.redirect_stdouts_to_logger(logging.getLogger("stdout"), "INFO", stderr=False)
            sys.__stdout__ = stdout  # type: ignore[misc]  # where Celery says that it shuts down

    def leave_it(**_: Any) -> None:
        """Do nothing. Celery sets up its own logging if no receiver is connected."""

    signals.celeryd_init.connect(begin, weak=False, dispatch_uid="mnistified.logs")
    signals.setup_logging.connect(leave_it, weak=False, dispatch_uid="mnistified.logs")


def celery_address(redis_url: str) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """Return REDIS_URL without its `ssl_…` options, the TLS options, and the transport options for Sentinels.

    With the plain URL, Celery's broker verifies no certificate, its backend refuses to start, and Flower reads no
    options.
    """
    sentinels = parse_sentinels(redis_url)
    if sentinels is not None:
        return sentinels_address(sentinels)
    parts = urlsplit(redis_url)
    if parts.scheme != "rediss":
        return redis_url, None, {}
    url_options: dict[str, Any] = parse_url(redis_url)  # type: ignore[no-untyped-call]
    query = [(key, value) for key, value in parse_qsl(parts.query) if not key.startswith("ssl_")]
    return parts._replace(query=urlencode(query)).geturl(), _tls_options(url_options), {}


def sentinels_address(sentinels: Sentinels) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """Return what `celery_address` returns, with a URL for each Sentinel."""
    login = ":".join(quote(sentinels.options.get(name, ""), safe="") for name in LOGIN)
    at = "" if login == ":" else f"{login}@"
    urls = (
        f"sentinel://{at}{f'[{host}]' if ':' in host else host}:{port}/{sentinels.options['db']}"
        for host, port in sentinels.hosts
    )
    tls = _tls_options(sentinels.options) if "ssl" in sentinels.options else None
    asking = {"master_name": sentinels.service, "sentinel_kwargs": sentinels.own_options | ASK_SENTINEL}
    return ";".join(urls), tls, asking


def _tls_options(options: dict[str, Any]) -> dict[str, Any]:
    return {"ssl_cert_reqs": "required", **{key: value for key, value in options.items() if key.startswith("ssl_")}}
