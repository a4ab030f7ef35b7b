"""The errors that this project raises on purpose.

MnistifiedError
├── SettingError      a setting has an invalid value: the program refuses to start
├── DatasetError      a dataset file is missing or damaged
├── ModelError        a model or version does not exist or cannot be loaded
├── EntryError        the bytes of a stream are not a valid entry
│   └── EntryFormatError  the entry or block has another release's format, which this release does not read
├── ContractError     another value in Redis does not have its specified structure
└── RequestError      a client's request cannot be served; carries the HTTP status
    ├── BadRequest          400  malformed HTTP
    ├── BadImage            400  not an image, or not one that the version takes
    ├── BadUpload           400  a damaged or truncated bulk body
    ├── Unauthorized        401  no key, or an unknown one
    ├── Forbidden           403  the key lacks the permission
    ├── NotFound            404  no such index, id or model
    ├── Conflict            409  the Idempotency-Key belongs to another upload
    │   └── StillUploading  409  the first upload with this key is not complete: worth a retry
    ├── MethodNotAllowed    405  the path has other methods
    ├── SlowClient          408  the head took too long, or the body paused for too long
    ├── TooLarge            413  more bytes or images than allowed
    ├── UnknownFormat       415  a body in an unknown format
    │   └── UnknownEncoding 415  a body with an unknown `Content-Encoding`
    ├── BadParameter        422  a malformed parameter
    ├── QueueFull           429  more queued work than allowed
    ├── HeadTooLarge        431  more bytes or headers in the head than allowed
    ├── InferenceFailed     500  the model failed on this image
    ├── InternalError       500  an error that nobody expected; the log has its traceback
    ├── Unavailable         503  Redis is unreachable, or no worker is running
    ├── WaitTimeout         504  the result was late; it can be polled
    └── DeadlinePassed      504  the request's deadline passed; the image is dropped
"""

from collections.abc import Sequence
from typing import Literal

# Reasons for a 429 or 503 response; docs/metrics.md explains them.
Reason = Literal[
    "lane_images",
    "lane_bytes",
    "key_images",
    "key_rate",
    "waiting",
    "decoding",
    "bodies",
    "disk",
    "resources",
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
    """The base of all errors that this project raises on purpose."""


class SettingError(MnistifiedError):
    """A setting has an invalid value. The message names both."""


class DatasetError(MnistifiedError):
    """Dataset files are missing or damaged. The message names the file."""


class ModelError(MnistifiedError):
    """A model or version is not in the registry or cannot be loaded."""


class EntryError(MnistifiedError):
    """Bytes are not a valid entry or block. The message says why."""


class EntryFormatError(EntryError):
    """An entry or a block has a format that this release does not read, but another release may."""

    def __init__(self, noun: str, found: int, reads: Sequence[int]) -> None:
        super().__init__(f"{noun} format {found}, this release reads {', '.join(map(str, reads))}")
        self.format = found


class ContractError(MnistifiedError):
    """A value in Redis does not have the structure that `shared/contract/` defines. The message says why."""


class RequestError(MnistifiedError):
    """A client's request cannot be served. `detail` says what the client can do about it."""

    status = 400
    title = "Bad request"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __init_subclass__(cls, status: int | None = None, title: str | None = None) -> None:
        cls.status, cls.title = status or cls.status, title or cls.title


class BadRequest(RequestError, title="Malformed request"): ...


class BadImage(RequestError, title="Not a classifiable image"): ...


class BadUpload(RequestError, title="Unreadable upload"): ...


class Unauthorized(RequestError, status=401, title="Unauthorized"): ...


class Forbidden(RequestError, status=403, title="Forbidden"): ...


class NotFound(RequestError, status=404, title="Not found"): ...


class MethodNotAllowed(RequestError, status=405, title="Method not allowed"):
    """The path has only the methods `allowed`."""

    def __init__(self, detail: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.allowed = allowed


class Conflict(RequestError, status=409, title="Conflict"): ...


class StillUploading(Conflict): ...


class SlowClient(RequestError, status=408, title="Request timeout"): ...


class TooLarge(RequestError, status=413, title="Too large"): ...


class UnknownFormat(RequestError, status=415, title="Unknown format"): ...


class UnknownEncoding(UnknownFormat): ...


class BadParameter(RequestError, status=422, title="Malformed parameter"): ...


class QueueFull(RequestError, status=429, title="Queue full"):
    """The queue has no room until about `retry_after_s` from now. The metrics count the `reason`."""

    def __init__(self, detail: str, retry_after_s: int, reason: Reason = "other") -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.reason = reason


class HeadTooLarge(RequestError, status=431, title="Request head too large"): ...


class InferenceFailed(RequestError, status=500, title="The model has no answer"): ...


class InternalError(RequestError, status=500, title="Internal error"): ...


class Unavailable(RequestError, status=503, title="Service unavailable"):
    """The service cannot answer at the moment. The metrics count the `reason`."""

    def __init__(self, detail: str, reason: Reason = "other") -> None:
        super().__init__(detail)
        self.reason = reason


class WaitTimeout(RequestError, status=504, title="Wait timed out"):
    """The result was not ready in time. A client can poll it by `result_id`. `entry_id` is the id on the stream."""

    def __init__(self, detail: str, result_id: str, entry_id: str = "") -> None:
        super().__init__(detail)
        self.result_id = result_id
        self.entry_id = entry_id


class DeadlinePassed(RequestError, status=504, title="Deadline passed"): ...
