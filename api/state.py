"""The state of an API process: its connections, caches and counters, created in one place."""

import random
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Scope

from api.http.bodies import Bodies
from api.http.capacity import EventStreams
from api.images.decode_threads import Decoder
from api.images.pixel_budget import PixelBudget
from api.metrics import Metrics
from api.queue.enqueue import Enqueuer
from api.queue.jobs.store import JobStore
from api.queue.jobs.sweep import JobSweep
from api.queue.redis_health import RedisHealth
from api.queue.redis_wire import Wires
from api.queue.singles.writer import Singles
from api.queue.wakeups import Wakeups
from api.queue.workers import Workers
from api.versions.alias_table import NO_ALIASES, NO_CANARY, Aliases, choose_version, needs_aliases
from api.versions.catalog import Catalog
from api.versions.infer_statistics import VersionStatistics
from api.versions.layers import Verbose
from api.versions.retraining import Retraining
from shared.config.settings import Settings
from shared.contract.model_ref import ModelRef
from shared.data.dataset import Split, find_mnist_dir, load_split
from shared.errors import ModelError, NotFound
from shared.models.mirror import open_registry
from shared.models.registry import read_card
from shared.redis.clients import AsyncClient
from shared.redis.clock import RedisClock
from shared.redis.connection import api_client


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    client: AsyncClient
    wires: Wires
    health: RedisHealth
    test_set: Split
    catalog: Catalog
    aliases: Aliases
    wakeups: Wakeups
    singles: Singles
    clock: RedisClock
    jobs: JobStore
    job_sweep: JobSweep
    workers: Workers
    verbose: Verbose
    pixel_budget: PixelBudget
    decoder: Decoder
    bodies: Bodies
    retraining: Retraining
    event_streams: EventStreams
    metrics: Metrics
    statistics: dict[str, VersionStatistics] = field(default_factory=dict)  # for the v2 API, by `name@version`

    def resolve(self, ref: str | None) -> str:
        """Return the `name@version` for one request or job. A canary gets its share of the requests.

        `ref` is the parameter `model`, or None for the default model. Raises NotFound, or Unavailable if the aliases
        have never been read.
        """
        return self.version_of(ref, random.random())  # noqa: S311  # a share, no secret

    def version_of(self, ref: str | None, draw: float = NO_CANARY) -> str:
        """Return the version like `resolve`. `draw`, from 0 to 1, selects the canaries whose share is larger."""
        requested = ModelRef.parse(self.settings.default_model if ref is None else ref)
        aliases = self.aliases.of(requested.name) if needs_aliases(requested) else NO_ALIASES
        return str(ModelRef(requested.name, choose_version(requested, self.catalog.models, aliases, draw)))


def make_state(settings: Settings, event_streams: EventStreams, metrics: Metrics) -> State:
    """Read the dataset and the registry, not Redis yet. Raises DatasetError, ModelError or SettingError."""
    catalog = Catalog(open_registry(settings.models_dir, settings.models_cache_dir))
    require_default(catalog, settings.default_model)
    client = api_client(settings)
    clock = RedisClock()
    wakeups = Wakeups(client)
    wires = Wires(client)
    pixel_budget = PixelBudget(settings.max_decoding_pixels)
    health = RedisHealth(client, wires, wakeups, lambda: catalog.models, settings.api_keys)
    enqueuer = Enqueuer(client, wires, metrics, settings, health.unavailable)
    return State(
        settings=settings,
        client=client,
        wires=wires,
        health=health,
        test_set=load_split("test", find_mnist_dir(settings.mnist_dir, "test")),
        catalog=catalog,
        aliases=Aliases(client, wakeups.aliases_changed),
        wakeups=wakeups,
        singles=Singles(wires, enqueuer, wakeups, metrics, clock, settings),
        clock=clock,
        jobs=JobStore(client, enqueuer, wakeups, clock, settings),
        job_sweep=JobSweep(client, clock, settings),
        workers=Workers(client, enqueuer, clock, settings.worker_ttl_s),
        pixel_budget=pixel_budget,
        decoder=Decoder(settings.max_fit_pixels, pixel_budget, metrics.decoded),
        bodies=Bodies(settings.max_held_body_bytes),
        verbose=Verbose(client, catalog),
        retraining=Retraining(client, clock, settings),
        event_streams=event_streams,
        metrics=metrics,
    )


def require_default(catalog: Catalog, default_model: str) -> None:
    """Raise ModelError if the default model does not exist. Its aliases are not known yet."""
    ref = ModelRef.parse(default_model)
    if needs_aliases(ref):
        ref = ModelRef(ref.name)
    try:
        version = choose_version(ref, catalog.models, NO_ALIASES)
    except NotFound as error:
        raise ModelError(f"{catalog.registry}: {error}") from None
    read_card(catalog.registry, str(ModelRef(ref.name, version)))


def state_of(connection: HTTPConnection | Scope) -> State:
    app = connection["app"]
    state: State = app.state.service
    return state
