"""A worker's own port for Prometheus."""

import errno
import logging
import socket

from prometheus_client.exposition import start_http_server
from prometheus_client.registry import Collector

from shared.config.settings import Settings

logger = logging.getLogger(__name__)

PORTS = 64  # tried from METRICS_PORT on, so that each worker of a machine finds one
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # not bound to here


def serve_metrics(collector: Collector, settings: Settings) -> str:
    """Serve `collector` in a thread of its own, as long as the process runs; returns where, as `host:port`.

    Empty where it is not served: it is switched off, or no port can be had, which keeps no worker from working.
    """
    if not settings.metrics_port:
        return ""
    host = settings.metrics_host
    for port in range(settings.metrics_port, min(settings.metrics_port + PORTS, 65536)):
        try:
            _, thread = start_http_server(port, host, collector)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            logger.error("no metrics: %s:%d (METRICS_HOST, METRICS_PORT): %s", host, port, error)
            return ""
        thread.name = "metrics"
        at = f"{socket.gethostname() if host in WILDCARDS else host}:{port}"
        logger.info("metrics at http://%s/metrics", at)
        return at
    logger.error("no metrics: %d ports from METRICS_PORT=%d on are in use", PORTS, settings.metrics_port)
    return ""
