"""The service's own operations, by method and path."""

from typing import get_args

from api.http.parameters import Maps
from api.routes.dataset_sheets import COLUMNS, MAX_IMAGES
from api.routes.dead_letters import MAX_LETTERS
from api.routes.openapi.operation import Content, Operation, Parameter
from api.routes.openapi.schemas import BINARY, INTEGER, STRING, array, obj, ref
from api.routes.results.results import MAX_ITEMS
from shared.errors import (
    BadImage,
    BadParameter,
    BadUpload,
    Conflict,
    DeadlinePassed,
    Forbidden,
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
IMAGE_ERRORS = (BadImage, BadUpload, SlowClient, Conflict, TooLarge, UnknownFormat, *SINGLE_ERRORS)
JOB_ERRORS = (
    BadImage,
    BadUpload,
    NotFound,
    SlowClient,
    Conflict,
    TooLarge,
    UnknownFormat,
    BadParameter,
    QueueFull,
    Unavailable,
)

IMAGE_BODY = [
    *(Content(media_type, BINARY) for media_type in IMAGE_TYPES),
    *(Content(form, obj({"image": BINARY})) for form in FORM_TYPES),
    Content(JSON, obj({"image": STRING}), {"image": "iVBORw0KGgo…"}),
]
UPLOAD_BODY = [Content(NDJSON, STRING), *(Content(media_type, BINARY) for media_type in UPLOAD_TYPES)]

CLASSIFY_TEST_IMAGE = Operation(
    summary="The classification of an image of the test set",
    tag="images",
    content=[Content(JSON, {"oneOf": [ref("Prediction"), ref("Number")]})],
    parameters=[MODEL, TIMEOUT, VERBOSE, MAPS, PREFER, FIT, AMONG, ACCEPT, SHOW],
    errors=(BadImage, *SINGLE_ERRORS, Conflict),
)
TEST_IMAGE = Operation(
    summary="An image of the test set",
    tag="dataset",
    content=[Content("image/jpeg", BINARY), Content("image/png", BINARY)],
    headers={"X-Dataset": DATASET},
    errors=(NotFound, BadParameter),
)
TEST_LABEL = Operation(
    summary="The label of an image of the test set",
    tag="dataset",
    content=[Content(JSON, obj({"label": INTEGER}, {"dataset": STRING}), {"label": 4})],
    headers={"X-Dataset": DATASET},
    errors=(NotFound, BadParameter),
)

OPERATIONS = {
    "POST /mnist/classify": Operation(
        summary="The classification of one image of 28×28",
        tag="images",
        body=IMAGE_BODY,
        content=[Content(JSON, {"oneOf": [ref("Prediction"), ref("Number")]})],
        parameters=[MODEL, TIMEOUT, VERBOSE, MAPS, PREFER, FIT, AMONG, ACCEPT, SHOW, IDEMPOTENCY_KEY],
        errors=IMAGE_ERRORS,
    ),
    "POST /mnist/classify/bulk": Operation(
        summary="A job of many images",
        tag="images",
        status=202,
        body=[
            Content(JSON, ref("Range"), {"start": 0, "stop": 100}),
            *UPLOAD_BODY,
        ],
        content=[Content(JSON, ref("Accepted"))],
        headers={"Location": "URL of the result"},
        parameters=[MODEL, TIMEOUT, CALLBACK, FIT, AMONG, ACCEPT, IDEMPOTENCY_KEY],
        refused=["verbose", "maps", "show"],
        errors=JOB_ERRORS,
    ),
    "GET /mnist/classify/{index}": CLASSIFY_TEST_IMAGE,
    "GET /mnist/{index}/classify": CLASSIFY_TEST_IMAGE,
    "GET /mnist/image/{index}": TEST_IMAGE,
    "GET /mnist/{index}/image": TEST_IMAGE,
    "GET /mnist/label/{index}": TEST_LABEL,
    "GET /mnist/{index}/label": TEST_LABEL,
    "GET /mnist/labels": Operation(
        summary="The labels of the whole test set, in order",
        tag="dataset",
        content=[Content(JSON, obj({"dataset": STRING, "labels": array(INTEGER)}))],
        headers={"X-Dataset": DATASET, "ETag": ETAG},
        also={304: NOT_MODIFIED},
        parameters=[IF_NONE_MATCH],
    ),
    "GET /mnist/sheet": Operation(
        summary=f"Images of the test set side by side, {COLUMNS} in a row, as a PNG",
        tag="dataset",
        content=[Content("image/png", BINARY)],
        headers={"X-Dataset": DATASET, "ETag": ETAG},
        also={304: NOT_MODIFIED},
        parameters=[
            Parameter("offset", {"type": "integer", "minimum": 0}, "of the first image"),
            Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_IMAGES}, "of images"),
            IF_NONE_MATCH,
        ],
        errors=(NotFound, BadParameter),
    ),
    "GET /results/{id}": Operation(
        summary="State and counts of a job, or of a single image that timed out",
        tag="results",
        content=[Content(JSON, ref("Job"))],
        parameters=[WAIT],
        errors=(NotFound, BadParameter, Unavailable),
    ),
    "DELETE /results/{id}": Operation(
        summary="Cancel a job: queued images are dropped, finished ones keep their results",
        tag="results",
        content=[Content(JSON, ref("Job"))],
        errors=(NotFound, BadParameter, Unavailable),
    ),
    "GET /results/{id}/items": Operation(
        summary="Results in input order, also while the job runs",
        tag="results",
        content=[Content(JSON, ref("Items")), Content(NDJSON, STRING)],
        parameters=[
            Parameter("offset", {"type": "integer", "minimum": 0}, "index of the first item"),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1},
                f"maximum number of items, as JSON up to {MAX_ITEMS}; a page of large items has fewer",
            ),
        ],
        errors=(NotFound, BadParameter, Unavailable),
    ),
    "GET /results/{id}/events": Operation(
        summary="Progress as server-sent events, then the final state",
        tag="results",
        content=[Content("text/event-stream", STRING)],
        also={204: "the client already has the last event"},
        parameters=[
            Parameter("Last-Event-ID", STRING, "id of the last event that the client got: continue after it", "header")
        ],
        errors=(NotFound, BadParameter, QueueFull, Unavailable),
    ),
    "GET /results/{id}/layers": Operation(
        summary="The outputs of the model's layers for the image of a verbose request",
        tag="results",
        content=[Content(JSON, ref("Layers"))],
        parameters=[MAPS],
        errors=(NotFound, BadParameter, QueueFull, Unavailable),
    ),
    "GET /dead-letters": Operation(
        summary="Images in the dead-letter stream, because workers died on them (admins only)",
        tag="operating",
        content=[Content(JSON, obj({"dead_letters": array(ref("DeadLetter")), "total": INTEGER}))],
        parameters=[
            Parameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LETTERS}, "maximum number of dead letters"
            )
        ],
        errors=(Forbidden, BadParameter, Unavailable),
    ),
    "POST /dead-letters/{id}/replay": Operation(
        summary="Classify a dead letter again, as a job of one image (admins only)",
        tag="operating",
        status=202,
        content=[Content(JSON, ref("Accepted"))],
        headers={"Location": "URL of the result"},
        errors=(Forbidden, NotFound, QueueFull, Unavailable),
    ),
    "GET /status": Operation(
        summary="Model, versions, workers, queues, dead letters, dataset",
        tag="operating",
        content=[Content(JSON, ref("Status"))],
        errors=(Unavailable,),
    ),
    "GET /metrics": Operation(
        summary="Metrics of this process and of the whole service in Prometheus's text format",
        tag="operating",
        content=[Content("text/plain", STRING)],
    ),
    "GET /metrics/workers": Operation(
        summary="The addresses of the workers' metrics, for Prometheus's http_sd_configs",
        tag="operating",
        content=[Content(JSON, array(obj({"targets": array(STRING), "labels": {"type": "object"}})))],
        errors=(Unavailable,),
    ),
    "GET /healthz": Operation(
        summary="Whether this process is alive",
        tag="operating",
        content=[Content(JSON, obj({"status": STRING}))],
        open=True,
    ),
    "GET /readyz": Operation(
        summary="Whether Redis accepts and keeps images, and a worker makes progress",
        tag="operating",
        content=[Content(JSON, obj({"status": STRING, "workers": INTEGER}))],
        errors=(Unavailable,),
        open=True,
    ),
    "GET /": Operation(
        summary="The playground in the browser",
        tag="playground",
        content=[Content("text/html", STRING)],
        headers={"ETag": ETAG},
        also={304: NOT_MODIFIED},
        parameters=[IF_NONE_MATCH],
        open=True,
    ),
    "GET /page/{asset}": Operation(
        summary="A file of the playground",
        tag="playground",
        content=[Content(media_type, STRING) for media_type in ("text/css", "text/javascript", "image/svg+xml")],
        headers={"ETag": ETAG},
        also={304: NOT_MODIFIED},
        parameters=[IF_NONE_MATCH],
        errors=(NotFound,),
        open=True,
    ),
    "GET /openapi.json": Operation(
        summary="This description", tag="description", content=[Content(JSON, {"type": "object"})]
    ),
    "GET /docs": Operation(
        summary="This description as a page", tag="description", content=[Content("text/html", STRING)]
    ),
    "GET /docs/{asset}": Operation(
        summary="A file of the page",
        tag="description",
        content=[Content("text/css", STRING), Content("text/javascript", STRING)],
        errors=(NotFound,),
    ),
}
