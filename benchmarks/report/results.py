"""What a run measured, as it goes into the JSON file. Times are wall times, memory is MiB (2**20 bytes)."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The engine alone in a process of its own: `engines` side by side, sharing `threads`, with the fastest batches."""

    images_per_s: float
    batch_images: int
    threads: int
    engines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One upload through the API, from its first byte to the final state of the job.

    `peak_mib` and `cpu_s` are those of each process of the service while the job ran.
    """

    images: int
    workers: int
    seconds: float
    peak_mib: dict[str, float]
    cpu_s: dict[str, float]

    @property
    def images_per_s(self) -> float:
        return self.images / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A closed loop: each of `connections` sends again as soon as it has its answer."""

    connections: int
    requests: int
    failed: int  # not 2xx, or no answer
    seconds: float
    p50_ms: float
    p99_ms: float
    tool: str

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoad:
    """Requests at a fixed rate, each timed from when it was due, so that what a slow answer delays is counted.

    `late_p99_ms` is how late the client itself was in sending: it is part of `p50_ms` and `p99_ms`.
    """

    share_of_capacity: float
    wanted_per_s: float
    achieved_per_s: float
    failed: int
    p50_ms: float
    p99_ms: float
    late_p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Where the time of a request went, in order; they add up to what the client saw."""

    socket_ms: float  # client to endpoint and back: sockets, HTTP, waiting for the event loop
    decode_ms: float
    queue_ms: float  # accepted until the start of its batch
    model_ms: float  # the whole batch
    reply_ms: float  # results written, published, resolved, turned into JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One closed loop on `POST /mnist/classify`, with what a slow probe beside it saw.

    `batch_images` are the sizes of the batches that the probe's images were in; empty where a system does not say.
    `max_error` is the largest difference between a probability that the probe got and the engine's own.
    """

    load: Load
    parts: Parts | None
    batch_images: list[int]
    max_error: float
    cpu_cores: dict[str, float]  # of each process, in cores kept busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Singles and a job, each alone and both at once; and small jobs, one after the other, behind such a job."""

    singles_alone: Load
    job_alone: Job
    singles_beside: Load
    job_beside: Job
    small_behind: list[Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """A closed loop that tells answers from refusals. `refused` is by status, `failed` by status or by what broke.

    `normal_s` is from its end to the first single answered normally. Memory is that of each process.
    """

    connections: int
    patient: bool  # waited for Retry-After where it was refused
    seconds: float
    accepted: int
    p50_ms: float  # of what was accepted
    p99_ms: float
    refused_p99_ms: float
    refused: dict[str, int]
    failed: dict[str, int]
    normal_s: float
    before_mib: dict[str, float]
    peak_mib: dict[str, float]
    after_mib: dict[str, float]

    @property
    def accepted_per_s(self) -> float:
        return self.accepted / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """Full load, and ten times its connections: sending again at once, and heeding Retry-After."""

    full: Flooded
    impatient: Flooded
    patient: Flooded


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published version on the test set, as jobs through the service, with one worker; `model` is `name@version`."""

    model: str
    engine: str
    multiply_adds: int
    images: int
    correct: int
    images_per_s: float

    @property
    def accuracy(self) -> float:
        return self.correct / self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """`changes` of which version a model means, under load. `during` is from the first until a second after the last.

    `misnamed` answers name another version than the one that was promoted before they were asked for. Of
    `canary_requests` after a canary was set to `canary_percent`, it answered `canary_answers`.
    """

    changes: int
    requests: int
    failed: int
    misnamed: int
    before_p50_ms: float
    before_p99_ms: float
    during_p50_ms: float
    during_p99_ms: float
    longest_ms: float
    canary_percent: float
    canary_requests: int
    canary_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRun:
    """One peer in one round; `error` says why where it has no figures."""

    name: str
    batches: bool  # joins requests into batches
    singles: list[Single] = field(default_factory=list)
    max_error: float = 0.0  # of its probabilities against our engine's
    error: str = ""


@dataclass(slots=True, kw_only=True)
class Round:
    """One round; a section that did not run left its field empty.

    `foreign_cores` were kept busy by others before it began: figures of a busy machine mean little.
    """

    foreign_cores: float
    ceiling: Ceiling | None = None
    bulk: list[Job] = field(default_factory=list)
    single: list[Single] = field(default_factory=list)
    open_loop: list[OpenLoad] = field(default_factory=list)
    mixed: Mixed | None = None
    workers: list[Job] = field(default_factory=list)
    peers: list[PeerRun] = field(default_factory=list)
    overload: Overload | None = None
    published: list[Published] = field(default_factory=list)
    switch: Switch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A whole run. `max_error` is the largest difference to the engine's own probabilities, by path."""

    machine: dict[str, Any]
    plan: dict[str, Any]
    rounds: list[Round]
    max_error: dict[str, float]


def to_json_content(run: Run) -> dict[str, Any]:
    """Every round as it was measured."""
    return asdict(run)
