"""A job: its hash `keys.job`, the manifests of its chunks, and the body of its callback."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from shared.contract.codecs import HashCodec, JsonCodec
from shared.contract.lane import Lane

JobState = Literal["queued", "running", "done", "done_with_errors", "failed", "expired", "cancelled"]
CallbackState = Literal["waiting", "delivered", "failed"]


class Counts(msgspec.Struct, frozen=True):
    """The images of a job that are in a final state."""

    done: int = 0
    unsure: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0


class CallbackStatus(msgspec.Struct, frozen=True):
    """The progress of a callback. `attempts` counts the attempts that were begun."""

    url: str
    state: CallbackState
    attempts: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as its hash has it. Counters are in images, times are unix time.

    `total` is None until the upload is complete, `finished_ms` until every image is in a final state. `cancelled` is
    None unless the job was cancelled, and `reason` unless the job failed as a whole, because Redis has lost images.
    `done` counts the answered images, which include the `unsure` ones: the previous release knows only `done`.
    `accepted` counts the images that Redis has stored, and `last_entry` is the id of the last entry, on stream `shard`.
    `claim` is the Redis key of the claim of its Idempotency-Key. Jobs of an older API lack these three fields. `top` is
    the number of best labels that its items have, 0 for the usual number, and None for items without names of labels.
    For a job of numbers, `among` has the valid strings, separated by commas, and `accept` is the confidence from which
    a number is accepted.
    """

    id: str
    model: str
    lane: Lane = "bulk"
    client: str = ""
    request_id: str = ""
    created_ms: int
    chunk_images: int
    done: int = 0
    unsure: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int | None = None
    total: int | None = None
    accepted: int | None = None
    shard: int = 0
    last_entry: str | None = None
    claim: str | None = None
    reason: str | None = None
    finished_ms: int | None = None
    deadline_ms: int | None = None
    among: str | None = None
    accept: float | None = None
    callback_url: str | None = None
    callback_state: CallbackState | None = None
    callback_attempts: int | None = None
    top: int | None = None

    @property
    def counts(self) -> Counts:
        return Counts(self.done - self.unsure, self.unsure, self.failed, self.expired, self.cancelled or 0)

    @property
    def finished(self) -> int:
        """Return the number of images in a final state."""
        return self.done + self.failed + self.expired + (self.cancelled or 0)

    @property
    def state(self) -> JobState:
        """Return the state that `GET /results/{id}` and the callback report."""
        if self.finished_ms is None:
            return "running" if self.finished else "queued"
        if self.reason is not None:
            return "failed"
        if self.cancelled is not None:
            return "cancelled"
        if self.expired:
            return "expired"
        return "done" if self.done == (self.total or 0) else "done_with_errors"

    @property
    def callback(self) -> CallbackStatus | None:
        if self.callback_url is None:
            return None
        return CallbackStatus(self.callback_url, self.callback_state or "waiting", self.callback_attempts or 0)


class CallbackBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON that a callback posts once the job is final. `reason` is for a job that failed as a whole."""

    id: str
    state: JobState
    total: int
    counts: Counts
    model: str
    finished_ms: int
    reason: str | None = None


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Ink of a number that lies between two cuts. `box` is (left, top, width, height) in pixels of the picture.

    `middle` is its place among the windows of the first view: 0 is the middle of the first window, 1 of the second.
    """

    box: tuple[int, int, int, int]
    middle: float


class NumberLine(msgspec.Struct, frozen=True, array_like=True):
    """The line of a number in a picture: how many windows each view of it has, and its pieces from left to right."""

    views: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def windows(self) -> int:
        """Return the number of windows of all views, which follow each other."""
        return sum(self.views)


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The names of the images of a chunk, and the reason for each image that could not be read.

    The readable pictures of numbers have `numbers`: their windows follow each other as images of the chunk.
    """

    names: Sequence[str] | None = None
    errors: list[tuple[int, str]] = []
    numbers: Sequence[NumberLine] = ()


JOB_CODEC = HashCodec(Job, "a job")
CALLBACK_BODY_CODEC = JsonCodec(CallbackBody, "the body of a callback")
MANIFEST_CODEC = JsonCodec(Manifest, "a manifest")
