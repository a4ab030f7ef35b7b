"""All that a worker reports of its batches: metrics, spans, the log, and the counts that it writes to Redis."""

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import Metric

from shared.config.settings import Settings
from shared.contract.heartbeat import LoaderState
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.telemetry.prometheus import process_families
from shared.telemetry.tracing import open_tracing
from worker.reporting.batch_report import BatchReport, log_batch
from worker.reporting.drift import Drift
from worker.reporting.metrics import Metrics
from worker.reporting.postponed import Postponed
from worker.reporting.tallies import Tallies

DRIFT_WINDOWS_KEPT = 3  # two are read, and the last one is still written while the next begins


class Reporter:
    """The reports of one worker. `on_batch` gets each report, too. Any thread may call any method."""

    def __init__(
        self, settings: Settings, worker_name: str, clock: RedisClock, on_batch: Callable[[BatchReport], None]
    ) -> None:
        self.metrics = Metrics()
        self.postponed = Postponed()
        self.shadow_tallies = Tallies(settings.result_ttl_s)
        self._drift_tallies = Tallies(DRIFT_WINDOWS_KEPT * keys.DRIFT_WINDOW_S)
        self.drift = Drift(self._drift_tallies, clock.now_s)
        self._log_slow_ms = settings.log_slow_ms
        self._on_batch = on_batch
        self._spans = None
        self._tracing = open_tracing(settings, "mnistified-worker", worker_name)
        if self._tracing is not None:
            from worker.reporting.batch_spans import BatchSpans

            self._spans = BatchSpans(self._tracing)

    def report(self, report: BatchReport) -> None:
        self.metrics.count(report)
        log_batch(report, self._log_slow_ms)
        if self._spans is not None:
            self._spans.record(report)
        self._on_batch(report)

    def families(self, takeovers: int, models: LoaderState) -> Iterable[Metric]:
        """Yield the metrics for Prometheus. The thread of a scrape calls this."""
        self.postponed.call_all()
        yield from self.metrics.families(takeovers, models)
        yield from process_families()

    def write(self, client: SyncClient) -> None:
        """Write the counts of drift and shadows. Raises RedisError."""
        self.drift.flush()
        self._drift_tallies.write(client)
        self.shadow_tallies.write(client)

    def close(self) -> None:
        """Export the last spans."""
        if self._tracing is not None:
            self._tracing.shutdown()
