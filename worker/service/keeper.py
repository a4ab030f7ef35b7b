"""The periodic work of a worker: leases, heartbeats, new models, and the counts for Redis."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.errors import passes
from worker.batching.deferred import Deferred
from worker.batching.intake import Intake, ensure_groups
from worker.batching.leases import Leases, take_duties
from worker.reporting.heartbeat import HeartbeatWriter
from worker.reporting.reporter import Reporter
from worker.service.redis_faults import RedisFaults
from worker.threads import start_thread
from worker.versions.loader import Loader

DUTIES_PER_KEEP = 4  # a duty is short, so that a worker that dies with one delays nothing


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Keeps the entries of this worker, and its place in the service, until it is `stopping`.

    Works at each interval, and at once if `soon` is set. `intake` returns the reader of one stream.
    """

    settings: Settings
    client: SyncClient
    leases: Leases
    deferred: Deferred
    heartbeat: HeartbeatWriter
    loader: Loader
    reporter: Reporter
    faults: RedisFaults
    intake: Callable[[str, Lane], Intake]
    stopping: threading.Event
    soon: threading.Event
    models: list[str] = field(default_factory=list)  # models whose entries this worker pulls
    pullers: list[threading.Thread] = field(default_factory=list)
    duties: list[str] = field(default_factory=list)  # models whose expired leases this worker reclaims now

    @property
    def _interval_s(self) -> float:
        return min(self.settings.lease_ms / 4e3, self.settings.worker_ttl_s / 4)

    def pull_new_models(self) -> None:
        """Join the consumer group of each new model in the registry, and pull its entries."""
        for model in sorted(set(self.loader.models) - set(self.models)):
            ensure_groups(self.client, [model])
            self.models.append(model)
            for lane in LANES:
                self.pullers.append(start_thread(f"pull-{lane}-{model}", self.intake(model, lane).pull_forever))

    def run(self, runners: Sequence[threading.Thread]) -> None:
        """Work until the end. The `runners` and the pullers hold entries: keep their leases until they finish."""
        while not self.stopping.is_set():
            self.soon.wait(self._interval_s)
            self.soon.clear()
            if not self.stopping.is_set():
                self._keep_or_report()
        for thread in (*self.pullers, *runners):
            while thread.is_alive():
                thread.join(self._interval_s)
                self._keep_or_report()
        self._keep_or_report()  # write the last counts

    def _keep_or_report(self) -> None:
        """Do each part of the work, also if Redis refuses the command of another one, as for a key of another type."""
        for part in (self._show_alive, self._take_over, self._count):
            try:
                part()
            except RedisError as error:
                self.faults.report(error)
                if passes(error):
                    return  # the other parts would meet it, too

    def _show_alive(self) -> None:
        self.leases.renew()
        self.reporter.postponed.call_all()
        self.faults.rehearse(self.client)
        if not self.faults.refused:  # or else this worker may be unable to read or answer
            self.heartbeat.write(self.loader.state(), self.leases.takeovers)

    def _take_over(self) -> None:
        if not self.stopping.is_set():
            self.pull_new_models()
            self.duties = take_duties(self.client, self.models, round(self._interval_s * 1e3 / DUTIES_PER_KEEP))
            self.leases.take_over()
            self.leases.forget_stale_consumers()
            self.deferred.return_to_streams()

    def _count(self) -> None:
        with self.client.pipeline(transaction=False) as pipeline:
            for model in self.duties:
                for lane in LANES:
                    for key in (*keys.streams(model, lane), keys.queued(model, lane)):
                        pipeline.expire(key, keys.OPEN_TTL_S)
            pipeline.execute()
        self.faults.answered()
        self.reporter.write(self.client)
