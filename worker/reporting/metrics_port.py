"""The port of a worker for Prometheus."""

import errno
import logging
import socket

from prometheus_client.exposition import start_http_server
from prometheus_client.registry import Collector

from shared.config.settings import Settings

logger = logging.getLogger(__name__)

PORTS = 64  # tried from METRICS_PORT upwards, so that each worker on a machine finds one
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to


def serve_metrics(collector: Collector, settings: Settings) -> str:
    """Serve `collector` in its own thread while the process runs. Returns its address as `host:port`.

    Returns an empty text if metrics are off, or no port is free. A worker without metrics still works.
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
