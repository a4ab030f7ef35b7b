"""`python -m api`: serve the API."""

import contextlib
import gc
import logging
import os
import resource
import sys

import uvicorn

from api.app import make_served
from api.http.connections.listening import bind_listeners
from api.http.request_origin import current_request_fields
from shared.config.loopback import is_loopback
from shared.config.settings import Settings, load_settings
from shared.errors import MnistifiedError
from shared.redis.reachable import check_redis
from shared.telemetry.logs import configure_logs

logger = logging.getLogger(__name__)

SHUTDOWN_S = 35  # slightly longer than the longest synchronous wait
SWITCH_INTERVAL_S = 5e-4  # short, so that the event loop does not wait for threads that decode, unpack or render
COLLECT_AFTER_OBJECTS = 100_000  # Python's default of 700 costs 5 % of the time under load
EXTRA_FILES = 256  # open files in addition to the connections: Redis, uploads in progress


def main() -> None:
    try:
        settings = load_settings(os.environ)
        configure_logs(settings.log_format, settings.log_level, "api", about=current_request_fields)
        app, protocol = make_served(settings)
        check_redis(settings, "api")
        # The backlog is as long as the connection limit: clients whose connections the kernel drops retry only after
        # seconds.
        listeners = bind_listeners(settings.api_host, settings.api_port, settings.max_connections)
    except MnistifiedError as error:
        sys.exit(f"api: {error}")
    except OSError as error:
        sys.exit(f"api: API_HOST={settings.api_host}, API_PORT={settings.api_port}: {error.strerror}")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    warn_without_keys(settings)
    allow_open_files(settings.max_connections + EXTRA_FILES)
    tune_garbage_collection()
    logger.info("bound to %s", ", ".join(sorted({"{}, port {}".format(*each.getsockname()) for each in listeners})))
    config = uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,  # api/http/observing.py logs requests
        proxy_headers=False,  # no route uses the client's address
        server_header=False,
        backlog=settings.max_connections,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after an orderly shutdown
        uvicorn.Server(config).run(listeners)


def tune_garbage_collection() -> None:
    """Exclude all current objects from garbage collection and collect rarely: requests create few reference cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])


def warn_without_keys(settings: Settings) -> None:
    """Warn, and continue: a container binds 0.0.0.0 and is reachable only through its published ports."""
    if not settings.api_keys and not is_loopback(settings.api_host):
        logger.warning(
            "API_HOST=%s without API_KEYS: anyone who can reach this address can use the service", settings.api_host
        )


def allow_open_files(count: int) -> None:
    """Raise this process's limit of open files as far as the system allows. Every connection is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


if __name__ == "__main__":
    main()
