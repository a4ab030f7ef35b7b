"""The parameters, bodies and errors that several operations share."""

from typing import get_args

from api.http.parameters import Maps
from api.routes.openapi.operation import Content, Parameter
from api.routes.openapi.schemas import BINARY, STRING, obj
from shared.errors import (
    BadImage,
    BadParameter,
    BadUpload,
    Conflict,
    DeadlinePassed,
    InferenceFailed,
    NotFound,
    QueueFull,
    SlowClient,
    TooLarge,
    Unavailable,
    UnknownFormat,
    WaitTimeout,
)

JSON = "application/json"
NDJSON = "application/x-ndjson"
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/tiff", "image/bmp", "image/webp")
FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
UPLOAD_TYPES = (
    "multipart/form-data",
    "application/zip",
    "application/x-tar",
    "application/x-npy",
    "application/x-idx",
    "application/octet-stream",
)
SECONDS = {"type": "number", "exclusiveMinimum": 0}

MODEL = Parameter("model", STRING, "`name` or `name@version`; the default model if absent")
TIMEOUT = Parameter("timeout_s", SECONDS, "seconds after which an image without a result is dropped")
WAIT = Parameter("wait", {"type": "number", "minimum": 0}, "seconds to wait at most until the result is final")
PREFER = Parameter("Prefer", STRING, "`respond-async`: 202 at once; `wait=2`: wait for 2 seconds at most", "header")
VERBOSE = Parameter("verbose", {"enum": ["0", "1", "false", "true"]}, "include the outputs of the model's layers")
MAPS = Parameter("maps", {"enum": [*get_args(Maps)]}, "with `verbose=1`: each layer's maps as a PNG or as numbers")
CALLBACK = Parameter(
    "callback_url", {"type": "string", "format": "uri"}, "URL that gets a signed callback when the job ends"
)
ACCEPT = Parameter(
    "accept",
    {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"const": "rule"}]},
    "the score from which an answer is accepted, or `rule` for the threshold of the version; below it, it is `unsure`",
)
FIT = Parameter(
    "fit", {"enum": ["digit", "number"]}, "accept a picture of any size, and find the digit, or the digits of a number"
)
AMONG = Parameter("among", STRING, "with `fit=number`: up to 1,000 valid strings of digits, separated by commas")
SHOW = Parameter("show", {"const": "fitted"}, "with `fit=digit`: include the fitted image as a PNG in base64")
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "a repeated request with the same key and images returns the same job",
    "header",
)

IF_NONE_MATCH = Parameter("If-None-Match", STRING, "the `ETag` of the cached content", "header")
ETAG = "tag of the content"
NOT_MODIFIED = "the cached content is current"
DATASET = "`mnist` or the name of the generated sample"

SINGLE_ERRORS = (NotFound, BadParameter, QueueFull, InferenceFailed, Unavailable, WaitTimeout, DeadlinePassed)
UPLOAD_ERRORS = (BadImage, BadUpload, SlowClient, Conflict, TooLarge, UnknownFormat)
IMAGE_ERRORS = (*UPLOAD_ERRORS, *SINGLE_ERRORS)
JOB_ERRORS = (*UPLOAD_ERRORS, NotFound, BadParameter, QueueFull, Unavailable)

IMAGE_BODY = [
    *(Content(media_type, BINARY) for media_type in IMAGE_TYPES),
    *(Content(form, obj({"image": BINARY})) for form in FORM_TYPES),
    Content(JSON, obj({"image": STRING}), {"image": "iVBORw0KGgo…"}),
]
UPLOAD_BODY = [Content(NDJSON, STRING), *(Content(media_type, BINARY) for media_type in UPLOAD_TYPES)]
