"""The results of a run, as the JSON file holds them. Times are wall times, memory is in MiB (2**20 bytes)."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The engine alone in a process of its own: `engines` share `threads`, with the fastest batch size."""

    images_per_s: float
    batch_images: int
    threads: int
    engines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One upload, from its first byte to the job's final state. Memory and CPU time are by process."""

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
    """Requests at a fixed rate, each timed from when it was due, which counts the delays of slow answers.

    `late_p99_ms` is the delay of the client itself, which is part of `p50_ms` and `p99_ms`.
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
    """The parts of a request's time, in order. Their sum is the time that the client saw."""

    socket_ms: float  # client to endpoint and back: sockets, HTTP, waiting for the event loop
    decode_ms: float
    queue_ms: float  # accepted until the start of its batch
    model_ms: float  # the whole batch
    reply_ms: float  # results written, published, resolved, turned into JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One closed loop on `POST /mnist/classify`, and the observations of the slow probe during the loop.

    `batch_images` are the sizes of the batches that the probe's images were in, empty if a system does not report them.
    `max_error` is the largest difference between the probe's probabilities and the engine's own.
    """

    load: Load
    parts: Parts | None
    batch_images: list[int]
    max_error: float
    cpu_cores: dict[str, float]  # busy cores by process


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Singles and a job, each alone and both at once, and small jobs, one after the other, behind such a job."""

    singles_alone: Load
    job_alone: Job
    singles_beside: Load
    job_beside: Job
    small_behind: list[Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """A closed loop under overload. `refused` is by status, `failed` by status or by the kind of failure.

    `normal_s` is the time from its end to the first single that is answered normally. Memory is by process.
    """

    connections: int
    patient: bool  # waited for Retry-After after a refusal
    seconds: float
    accepted: int
    p50_ms: float  # for accepted requests
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
    """Full load, and ten times its connections: without patience, and heeding Retry-After."""

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
    """`changes` of an alias under load. `during` is from the first change until a second after the last.

    `misnamed` answers name another version than the one that was promoted before the request. The canary answered
    `canary_answers` of the `canary_requests` after it was set to `canary_percent`.
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
    """One peer in one round. `error` says why figures are missing."""

    name: str
    batches: bool  # joins requests into batches
    singles: list[Single] = field(default_factory=list)
    max_error: float = 0.0  # largest difference to the probabilities of our engine
    error: str = ""


@dataclass(slots=True, kw_only=True)
class Round:
    """One round. The fields of sections that did not run are empty.

    `foreign_cores` were busy with other processes before the round: figures of a busy machine mean little.
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
