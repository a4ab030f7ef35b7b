"""The threads of a worker that pull entries, run batches and renew leases, and the order of their start and stop."""

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from shared.answers import Answers
from shared.config.settings import Settings
from shared.contract.lane import LANES
from shared.images import Images
from shared.models.registry import list_models
from shared.redis import keys
from shared.redis.clock import RedisClock
from shared.redis.connection import worker_client
from shared.redis.errors import meaning_of
from shared.redis.permissions import find_refusal, rehearsal
from shared.telemetry.prometheus import process_families
from shared.telemetry.seldom import SeldomLog
from shared.telemetry.tracing import open_tracing
from worker.batching.backlog import Backlog
from worker.batching.deferred import Deferred
from worker.batching.direct_connection import DirectConnection
from worker.batching.finish import FINISH, FINISH_SINGLES, Finisher
from worker.batching.held_entries import HeldEntries
from worker.batching.intake import BLOCK_MS, Intake, ensure_groups
from worker.batching.leases import Leases, take_duties
from worker.batching.runner import Runner
from worker.batching.suspects import Suspects
from worker.engine.pool import EnginePool
from worker.reporting.batch_report import BatchReport, log_batch
from worker.reporting.drift import Drift
from worker.reporting.heartbeat import HeartbeatWriter
from worker.reporting.metrics import Metrics
from worker.reporting.metrics_port import serve_metrics
from worker.reporting.postponed import Postponed
from worker.reporting.tallies import Tallies
from worker.threads import join_all, start_thread
from worker.versions.desired import DesiredVersions, Listener, read_desired
from worker.versions.loader import Loader
from worker.versions.residency import default_version
from worker.versions.shadow import Shadows
from worker.watchdog import Watchdog

logger = logging.getLogger(__name__)

DRIFT_WINDOWS_KEPT = 3  # two are read, and the last one is still written while the next begins
DUTIES_PER_KEEP = 4  # a duty is short, so that a worker that dies with one delays nothing
REFUSED_S = 5.0  # no heartbeats for this long after Redis has refused a command; between two rehearsals
WARM_STOP_S = 30.0  # limit for finishing held entries when a worker stops; other workers take over the rest
REHEARSAL = rehearsal("worker")
SWITCH_INTERVAL_S = 1e-4  # a thread that runs a model must not wait for one that writes results


class BatchingService(Collector):
    """The work of a worker, and its metrics. `start` returns when it is ready, `stop` when its entries are finished."""

    def __init__(self, settings: Settings, worker_name: str, on_batch: Callable[[BatchReport], None]) -> None:
        self._settings = settings
        self._name = worker_name
        self._on_batch = on_batch
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._keep_soon = threading.Event()
        self._watchdog = Watchdog(settings.engine_stall_s)
        self._consumer = f"{worker_name}:{os.getpid()}:{time.time_ns()}"
        self._metrics = Metrics()
        self._reports = Postponed()
        self._clock = RedisClock()
        self._drift_tallies = Tallies(DRIFT_WINDOWS_KEPT * keys.DRIFT_WINDOW_S)
        self._drift = Drift(self._drift_tallies, self._clock.now_s)
        self._shadow_tallies = Tallies(settings.result_ttl_s)
        self._keep_s = min(settings.lease_ms / 4e3, settings.worker_ttl_s / 4)
        self._seldom = SeldomLog(logger)
        self._refused_s = self._rehearsed_s = -REFUSED_S
        self._models: list[str] = []
        self._duties: list[str] = []  # models whose expired leases this worker reclaims now
        self._pullers: list[threading.Thread] = []

    def start(self) -> None:
        """Load and warm the models, join the consumer group, start the threads. Blocks for seconds.

        Raises ModelError when a model will not load, RedisError when Redis is away for longer than the client retries.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        settings = self._settings
        self._open_tracing()
        # First, and without retries: a worker that waited here for an unreachable Redis would ignore TERM.
        self._keeper_client = worker_client(settings, patient=False)
        desired = read_desired(self._keeper_client, self._clock)
        self._engines = EnginePool(settings)
        registry = self._engines.registry
        self._engines.load(default_version(settings.default_model, list_models(registry), registry, desired))
        self._client = worker_client(settings, patient=True, on_failure=lambda error: self._redis_failed(error))
        self._build(desired)
        self._heartbeat.write(self.loader.state(), 0)
        self._read_new_models()
        self._start_threads()
        gc.collect()
        gc.freeze()  # collections need not examine what Celery and the engines have created

    def _build(self, desired: DesiredVersions) -> None:
        """Build the parts of the worker. Each part may use only parts that are built before it."""
        settings = self._settings
        self._backlog = Backlog(self._engines, self._engines.at_a_time, settings.bulk_entry_images)
        self._listener = self._make_listener(desired)
        self.loader = self._make_loader()
        self._shadows = self._make_shadows()
        self._suspects = Suspects(self._client, self._consumer, settings.max_attempts)
        deferred = Deferred(self._client, settings)
        self._held_entries = HeldEntries(
            self._client,
            self._backlog,
            self._finisher(self._connection()),
            self._suspects,
            deferred,
            self._clock,
            self.loader.wake,
        )
        self._deferred = Deferred(self._keeper_client, settings)
        self._leases = Leases(
            self._keeper_client, self._consumer, lambda: self._duties, self._held_entries, settings.lease_ms
        )
        self._heartbeat = HeartbeatWriter(
            self._keeper_client,
            self._name,
            settings.worker_ttl_s,
            self._metrics,
            serve_metrics(self, settings),
            self._clock,
        )

    def _start_threads(self) -> None:
        names = [f"run-{number}" for number in range(self._engines.threads)]
        self._runners = [start_thread(name, self._runner(name, self._connection()).run) for name in names]
        self._keeper = start_thread("keep", self._keep)
        start_thread("load", self.loader.run)
        start_thread("listen", self._listener.listen)
        start_thread("shadow", self._shadows.run)
        start_thread("report", lambda: self._reports.call_until(self._ended))
        start_thread("watchdog", lambda: self._watchdog.run(self._ended))

    def stop(self) -> None:
        """Stop pulling, finish the held entries, and leave. Blocks for at most WARM_STOP_S and one pull."""
        logger.info("stopping, once what is in hand is finished")
        self._stopping.set()
        self._keep_soon.set()
        join_all(self._pullers, 2 * BLOCK_MS / 1e3)
        self._backlog.close()
        join_all((*self._pullers, *self._runners, self._keeper), WARM_STOP_S)
        if self._tracing is not None:
            self._tracing.shutdown()
        self._ended.set()
        try:
            self._heartbeat.leave()
        except RedisError as error:
            logger.warning("Redis is away, leaving without removing the heartbeat: %s", error)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics. The thread of a scrape calls this."""
        self._reports.call_all()
        yield from self._metrics.families(self._leases.takeovers, self.loader.state())
        yield from process_families()

    def _open_tracing(self) -> None:
        self._spans = None
        self._tracing = open_tracing(self._settings, "mnistified-worker", self._name)
        if self._tracing is not None:
            from worker.reporting.batch_spans import BatchSpans

            self._spans = BatchSpans(self._tracing)

    def _connection(self) -> DirectConnection:
        return DirectConnection(self._client, FINISH, FINISH_SINGLES)

    def _finisher(self, connection: DirectConnection) -> Finisher:
        return Finisher(connection, self._name, self._metrics, self._clock, self._settings)

    def _make_listener(self, desired: DesiredVersions) -> Listener:
        pulse = self._watchdog.redis_pulse("listen")
        connect = partial(worker_client, self._settings, patient=False)
        return Listener(connect, desired, self._clock, lambda: self.loader.desired_changed(), self._stopping, pulse)

    def _make_loader(self) -> Loader:
        return Loader(
            self._settings,
            self._engines,
            self._backlog,
            desired=lambda: self._listener.desired,
            changed=self._keep_soon.set,
            ended=self._ended,
            pulse=self._watchdog.model_pulse("load"),
        )

    def _make_shadows(self) -> Shadows:
        return Shadows(
            self._engines,
            self._backlog,
            shadows=lambda: self._listener.desired.shadows,
            tallies=self._shadow_tallies,
            ended=self._ended,
            pulse=self._watchdog.model_pulse("shadow"),
        )

    def _runner(self, name: str, connection: DirectConnection) -> Runner:
        return Runner(
            self._backlog,
            self._engines,
            self._finisher(connection),
            self._report,
            self._held_entries.finished,
            self._answered,
            self._suspects,
            self._clock,
            self._watchdog.model_pulse(name),
            self._watchdog.redis_pulse(name),
            self._reports.add,
        )

    def _report(self, report: BatchReport) -> None:
        self._metrics.count(report)
        self._heartbeat.count(report)
        log_batch(report, self._settings.log_slow_ms)
        if self._spans is not None:
            self._spans.record(report)
        self._on_batch(report)

    def _answered(self, ref: str, images: Images, answers: Answers) -> None:
        self._drift.observe(ref, images, answers)
        self._shadows.offer(ref, images, answers)

    def _read_new_models(self) -> None:
        """Join the consumer group of each new model in the registry, and pull its entries."""
        for model in sorted(set(self.loader.models) - set(self._models)):
            ensure_groups(self._keeper_client, [model])
            self._models.append(model)
            for lane in LANES:
                name = f"pull-{lane}-{model}"
                connection = self._connection()
                intake = Intake(
                    self._client,
                    connection,
                    lane,
                    model,
                    self._consumer,
                    self._backlog,
                    self._held_entries,
                    self._stopping,
                    self._watchdog.redis_pulse(name),
                    self._runner(name, connection) if lane == "interactive" else None,
                )
                self._pullers.append(start_thread(name, intake.pull_forever))

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self._keep_soon.wait(self._keep_s)
            self._keep_soon.clear()
            if not self._stopping.is_set():
                self._keep_or_warn()
        for thread in (*self._pullers, *self._runners):  # keep the leases of their entries until they are finished
            while thread.is_alive():
                thread.join(self._keep_s)
                self._keep_or_warn()
        self._keep_or_warn()  # write the last counts

    def _redis_failed(self, error: Exception) -> None:
        """Report an error that a waiting thread or the keeper met. The waiting thread tries again."""
        self._watchdog.redis_failed()
        if meaning_of(error) == "refuse":
            self._refused_s = time.monotonic()
        self._seldom.log(logging.WARNING, f"waiting for Redis: {error}")

    def _rehearse(self) -> None:
        """Try each command that a worker needs, from time to time."""
        if time.monotonic() - self._rehearsed_s > REFUSED_S:
            self._rehearsed_s = time.monotonic()
            if refusal := find_refusal(self._keeper_client.eval(*REHEARSAL)):
                self._redis_failed(refusal)

    def _keep_or_warn(self) -> None:
        try:
            self._keep_once()
        except RedisError as error:
            self._redis_failed(error)

    def _keep_once(self) -> None:
        self._leases.renew()
        self._reports.call_all()
        self._rehearse()
        if time.monotonic() - self._refused_s > REFUSED_S:  # or else this worker may be unable to read or answer
            self._heartbeat.write(self.loader.state(), self._leases.takeovers)
        if not self._stopping.is_set():
            self._read_new_models()
            self._duties = take_duties(self._keeper_client, self._models, round(self._keep_s * 1e3 / DUTIES_PER_KEEP))
            self._leases.take_over()
            self._leases.forget_stale_consumers()
            self._deferred.return_to_streams()
        with self._keeper_client.pipeline(transaction=False) as pipeline:
            for model in self._duties:
                for lane in LANES:
                    for key in (*keys.streams(model, lane), keys.queued(model, lane)):
                        pipeline.expire(key, keys.OPEN_TTL_S)
            pipeline.execute()
        self._watchdog.redis_answered()
        self._drift.flush()
        for tallies in (self._drift_tallies, self._shadow_tallies):
            tallies.write(self._keeper_client)
