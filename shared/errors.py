"""The errors that cross a module's border, in one tree.

MnistifiedError
├── SettingError      a setting that cannot be used: refuse to start and name it
├── DatasetError      dataset files that are missing or damaged
├── ModelError        a model or version that is not there or will not load
├── EntryError        bytes on a stream that are no entry of ours
├── ContractError     another value in Redis that has not the structure that it should have
└── RequestError      what a client sent cannot be served; carries its HTTP status
    ├── BadRequest          400  bytes that are no HTTP request
    ├── BadImage            400  not an image, or not 28×28
    ├── BadUpload           400  a bulk body that cannot be read on
    ├── Unauthorized        401  no key, or none that is known
    ├── Forbidden           403  a key that may not do this
    ├── NotFound            404  no such index, id, model
    ├── Conflict            409  an Idempotency-Key that belongs to another upload
    │   └── StillUploading  409  … whose first upload still comes in: worth trying again
    ├── SlowClient          408  a head that took too long, a body that paused for too long
    ├── TooLarge            413  over a bound on bytes, images or pixels
    ├── UnknownFormat       415  a bulk body in no format we know
    ├── BadParameter        422  a malformed parameter
    ├── QueueFull           429  over the bound on what may be queued
    ├── HeadTooLarge        431  a request's head over the bound on bytes or headers
    ├── InferenceFailed     500  the model has no answer for this image
    ├── Unavailable         503  Redis or every worker is away
    ├── WaitTimeout         504  no answer within the wait; the image is still being processed
    └── DeadlinePassed      504  the request's own deadline passed before an answer; the image is dropped
"""

from typing import Literal

# Why a request is refused with 429 or 503, in a word: docs/metrics.md says of each what it means.
Reason = Literal[
    "lane_images",
    "lane_bytes",
    "key_images",
    "key_rate",
    "waiting",
    "decoding",
    "verbose",
    "watchers",
    "trainings",
    "connections",
    "redis",
    "workers",
    "versions",
    "not_ready",
    "client_left",
    "other",
]


class MnistifiedError(Exception):
    """Root of every error that this project raises on purpose."""


class SettingError(MnistifiedError):
    """A setting has a value that cannot be used. The message names both."""


class DatasetError(MnistifiedError):
    """Dataset files are missing or damaged. The message names the file."""


class ModelError(MnistifiedError):
    """A model or version is not in the registry or will not load."""


class EntryError(MnistifiedError):
    """Bytes that should be an entry or a block are not. The message says why."""


class ContractError(MnistifiedError):
    """A value in Redis does not have the structure that `shared/contract/` defines. The message says why."""


class RequestError(MnistifiedError):
    """What a client asked for cannot be done; `detail` is for the client to act on."""

    status = 400
    title = "Bad request"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(RequestError):
    title = "Malformed request"


class BadImage(RequestError):
    title = "Not a classifiable image"


class BadUpload(RequestError):
    title = "Unreadable bulk upload"


class Unauthorized(RequestError):
    status = 401
    title = "Unauthorized"


class Forbidden(RequestError):
    status = 403
    title = "Forbidden"


class NotFound(RequestError):
    status = 404
    title = "Not found"


class Conflict(RequestError):
    status = 409
    title = "Conflict"


class StillUploading(Conflict):
    pass


class SlowClient(RequestError):
    status = 408
    title = "Request timeout"


class TooLarge(RequestError):
    status = 413
    title = "Too large"


class UnknownFormat(RequestError):
    status = 415
    title = "Unknown format"


class BadParameter(RequestError):
    status = 422
    title = "Malformed parameter"


class QueueFull(RequestError):
    """`retry_after_s` is how long the queue is expected to need before it has room, `reason` a word for the metrics."""

    status = 429
    title = "Queue full"

    def __init__(self, detail: str, retry_after_s: int, reason: Reason = "other") -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.reason = reason


class HeadTooLarge(RequestError):
    status = 431
    title = "Request head too large"


class InferenceFailed(RequestError):
    status = 500
    title = "The model has no answer"


class Unavailable(RequestError):
    """`reason` is a word for the metrics."""

    status = 503
    title = "Service unavailable"

    def __init__(self, detail: str, reason: Reason = "other") -> None:
        super().__init__(detail)
        self.reason = reason


class WaitTimeout(RequestError):
    """`result_id` is where the answer will be."""

    status = 504
    title = "Wait ran out"

    def __init__(self, detail: str, result_id: str) -> None:
        super().__init__(detail)
        self.result_id = result_id


class DeadlinePassed(RequestError):
    status = 504
    title = "Deadline passed"
