"""`python -m api`: serve the API."""

import contextlib
import functools
import gc
import logging
import os
import resource
import sys

import uvicorn

from api.app import make_app
from api.http.connection_limits import ConnectionLimits, LimitedProtocol
from api.http.event_streams import EventStreams
from api.http.listening import bind_listeners
from api.http.request_origin import current_request_fields
from api.metrics import Metrics
from shared.config.loopback import is_loopback
from shared.config.settings import Settings, load_settings
from shared.errors import MnistifiedError
from shared.telemetry.logs import configure_logs

logger = logging.getLogger(__name__)

SHUTDOWN_S = 35  # a little over the longest synchronous wait
SWITCH_INTERVAL_S = 5e-4  # the event loop must not wait for threads that decode, unpack or render
COLLECT_AFTER_OBJECTS = 100_000  # Python's 700 cost a twentieth of the time under load
SPARE_FILES = 256  # open files beside the connections: Redis, uploads under way


def main() -> None:
    try:
        settings = load_settings(os.environ)
        configure_logs(settings.log_format, settings.log_level, "api", about=current_request_fields)
        event_streams = EventStreams(settings.max_watchers)
        metrics = Metrics()
        app = make_app(settings, event_streams, metrics)
        # As long a queue as connections are allowed: a burst that the kernel drops comes again after seconds.
        listeners = bind_listeners(settings.api_host, settings.api_port, settings.max_connections)
    except MnistifiedError as error:
        sys.exit(f"api: {error}")
    except OSError as error:
        sys.exit(f"api: API_HOST={settings.api_host}, API_PORT={settings.api_port}: {error.strerror}")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    warn_if_open_to_all(settings)
    allow_open_files(settings.max_connections + SPARE_FILES)
    spare_the_collector()
    logger.info("bound to %s", ", ".join(sorted({"{}, port {}".format(*each.getsockname()) for each in listeners})))
    config = uvicorn.Config(
        app,
        http=functools.partial(LimitedProtocol, ConnectionLimits(settings, event_streams, metrics)),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,  # api/http/observing.py says what there is to say of a request
        proxy_headers=False,  # no route asks who the client is
        server_header=False,
        backlog=settings.max_connections,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once all is ended in order
        uvicorn.Server(config).run(listeners)


def spare_the_collector() -> None:
    """What is there by now stays, and is not looked through again and again; requests leave few cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])


def warn_if_open_to_all(settings: Settings) -> None:
    """Allowed, since a container binds 0.0.0.0 and is reached only through what it publishes; but never unsaid."""
    if not settings.api_keys and not is_loopback(settings.api_host):
        logger.warning(
            "API_HOST=%s without API_KEYS: whoever reaches this address may use the service", settings.api_host
        )


def allow_open_files(wanted: int) -> None:
    """Raise this process's own limit, as far as the system lets it: every connection is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
