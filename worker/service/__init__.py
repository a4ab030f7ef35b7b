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
from shared.contract.lane import Lane
from shared.images import Images
from shared.models.registry import list_models
from shared.redis.clock import RedisClock
from shared.redis.connection import worker_client
from worker.batching.backlog import Backlog
from worker.batching.deferred import Deferred
from worker.batching.direct_connection import DirectConnection
from worker.batching.finish import FINISH, FINISH_SINGLES, Finisher
from worker.batching.held_entries import HeldEntries
from worker.batching.intake import BLOCK_MS, Intake
from worker.batching.leases import Leases
from worker.batching.runner import Runner
from worker.batching.suspects import Suspects
from worker.engine.pool import EnginePool
from worker.reporting.batch_report import BatchReport
from worker.reporting.heartbeat import HeartbeatWriter
from worker.reporting.metrics_port import serve_metrics
from worker.reporting.reporter import Reporter
from worker.service.keeper import Keeper
from worker.service.redis_faults import RedisFaults
from worker.threads import join_all, start_thread
from worker.versions.desired import DesiredVersions, Listener, read_desired
from worker.versions.loader import Loader
from worker.versions.residency import default_version
from worker.versions.shadow import Shadows
from worker.watchdog import Watchdog

logger = logging.getLogger(__name__)

WARM_STOP_S = 30.0  # limit for finishing held entries when a worker stops; other workers take over the rest
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
        self._clock = RedisClock()
        self._faults = RedisFaults(self._watchdog)

    def start(self) -> None:
        """Load and warm the models, join the consumer group, start the threads. Blocks for seconds.

        Raises ModelError when a model will not load, RedisError when Redis is away for longer than the client retries.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        settings = self._settings
        self._reporter = Reporter(settings, self._name, self._clock, self._on_batch)
        # First, and without retries: a worker that waited here for an unreachable Redis would ignore TERM.
        self._keeper_client = worker_client(settings, patient=False)
        desired = read_desired(self._keeper_client, self._clock)
        self._engines = EnginePool(settings)
        registry = self._engines.registry
        self._engines.load(default_version(settings.default_model, list_models(registry), registry, desired))
        self._client = worker_client(settings, patient=True, on_failure=self._faults.report)
        self._build(desired)
        self._heartbeat.write(self.loader.state(), 0)
        self._keeper.pull_new_models()
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
        self._leases = Leases(
            self._keeper_client, self._consumer, lambda: self._keeper.duties, self._held_entries, settings.lease_ms
        )
        self._heartbeat = HeartbeatWriter(
            self._keeper_client,
            self._name,
            settings.worker_ttl_s,
            self._reporter.metrics,
            serve_metrics(self, settings),
            self._clock,
        )
        self._keeper = self._make_keeper()

    def _start_threads(self) -> None:
        names = [f"run-{number}" for number in range(self._engines.threads)]
        self._runners = [start_thread(name, self._runner(name, self._connection()).run) for name in names]
        self._keeping = start_thread("keep", lambda: self._keeper.run(self._runners))
        start_thread("load", self.loader.run)
        start_thread("listen", self._listener.listen)
        start_thread("shadow", self._shadows.run)
        start_thread("report", lambda: self._reporter.postponed.call_until(self._ended))
        start_thread("watchdog", lambda: self._watchdog.run(self._ended))

    def stop(self) -> None:
        """Stop pulling, finish the held entries, and leave. Blocks for at most WARM_STOP_S and one pull."""
        logger.info("stopping, once what is in hand is finished")
        self._stopping.set()
        self._keep_soon.set()
        join_all(self._keeper.pullers, 2 * BLOCK_MS / 1e3)
        self._backlog.close()
        join_all((*self._keeper.pullers, *self._runners, self._keeping), WARM_STOP_S)
        self._reporter.close()
        self._ended.set()
        try:
            self._heartbeat.leave()
        except RedisError as error:
            logger.warning("Redis is away, leaving without removing the heartbeat: %s", error)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics. The thread of a scrape calls this."""
        yield from self._reporter.families(self._leases.takeovers, self.loader.state())

    def _connection(self) -> DirectConnection:
        return DirectConnection(self._client, FINISH, FINISH_SINGLES)

    def _finisher(self, connection: DirectConnection) -> Finisher:
        return Finisher(connection, self._name, self._reporter.metrics, self._clock, self._settings)

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
            tallies=self._reporter.shadow_tallies,
            ended=self._ended,
            pulse=self._watchdog.model_pulse("shadow"),
        )

    def _make_keeper(self) -> Keeper:
        return Keeper(
            settings=self._settings,
            client=self._keeper_client,
            leases=self._leases,
            deferred=Deferred(self._keeper_client, self._settings),
            heartbeat=self._heartbeat,
            loader=self.loader,
            reporter=self._reporter,
            faults=self._faults,
            intake=self._intake,
            stopping=self._stopping,
            soon=self._keep_soon,
        )

    def _runner(self, name: str, connection: DirectConnection) -> Runner:
        return Runner(
            self._backlog,
            self._engines,
            self._finisher(connection),
            self._reporter.report,
            self._held_entries.finished,
            self._answered,
            self._suspects,
            self._clock,
            self._watchdog.model_pulse(name),
            self._watchdog.redis_pulse(name),
            self._reporter.postponed.add,
        )

    def _answered(self, ref: str, images: Images, answers: Answers) -> None:
        self._reporter.drift.observe(ref, images, answers)
        self._shadows.offer(ref, images, answers)

    def _intake(self, model: str, lane: Lane) -> Intake:
        name = f"pull-{lane}-{model}"
        connection = self._connection()
        return Intake(
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
