"""The heartbeat: the report of a worker about itself every few seconds, as JSON under `keys.worker`."""

import msgspec

from shared.contract.codecs import JsonCodec
from shared.contract.lane import Lane


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """A version in memory. `images_per_s` is the rate of all its engines, `batch_ms` one engine's time by size."""

    engine: str
    batch_images: int
    batch_limit_images: int
    images_per_s: int
    batch_ms: dict[str, float]
    measured_as: str
    idle_s: float
    memory_bytes: int | None


class LoaderState(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a worker, each as `name@version`. `failed_models` holds the reason for each failure."""

    engines: int
    models: dict[str, VersionState]
    loading_model: str | None
    failed_models: dict[str, str] = {}
    wanted_models: list[str]


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The work between two heartbeats, by bucket: `queue_s` counts images, `model_s` and `batch_images` batches."""

    seconds: float
    batches: int
    images: int
    batch_images: list[int]
    model_s: list[int]
    queue_s: dict[Lane, list[int]]


class LastBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The last batch of a worker. `finished_s` is unix time."""

    model: str
    images: int
    finished_s: float
    took_ms: float


class EntryFormats(msgspec.Struct, frozen=True):
    """The formats of entries that a worker reads. Every release can read this part of a heartbeat."""

    entry_formats: list[int] = msgspec.field(
        default_factory=lambda: [1]
    )  # a worker that reports none is older than this field


class Heartbeat(LoaderState, frozen=True, kw_only=True):
    """A heartbeat. `started_s` is unix time, `metrics` the address of the worker's metrics or ''.

    `entry_formats` are the formats of entries that the worker reads. `batches`, `images` and `failed` count from the
    start of the worker.
    """

    name: str
    pid: int
    started_s: float = 0.0
    recent_images_per_s: float
    recent: Recent | None = None  # None in the heartbeat of an older release
    batches: int
    images: int
    failed: int
    takeovers: int
    metrics: str = ""
    entry_formats: list[int] = msgspec.field(default_factory=lambda: [1])
    last_batch: LastBatch | None


class LiveWorker(Heartbeat, frozen=True, kw_only=True):
    """A heartbeat and its age, which the reader adds. A `late` worker has missed a heartbeat."""

    silent_s: float = 0.0
    late: bool = False


HEARTBEAT_CODEC: JsonCodec[Heartbeat] = JsonCodec(Heartbeat, "a heartbeat")
ENTRY_FORMATS_CODEC: JsonCodec[EntryFormats] = JsonCodec(EntryFormats, "a heartbeat")
LIVE_WORKER_CODEC: JsonCodec[LiveWorker] = JsonCodec(LiveWorker, "a heartbeat")
