"""The service's own operations, by method and path."""

from api.routes.dataset_sheets import COLUMNS, MAX_IMAGES
from api.routes.dead_letters import MAX_LETTERS
from api.routes.openapi.operation import Content, Operation, Parameter
from api.routes.openapi.parameters import (
    ACCEPT,
    AMONG,
    CALLBACK,
    DATASET,
    ETAG,
    FIT,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    IMAGE_BODY,
    IMAGE_ERRORS,
    JOB_ERRORS,
    JSON,
    MAPS,
    MODEL,
    NDJSON,
    NOT_MODIFIED,
    PREFER,
    SHOW,
    SINGLE_ERRORS,
    TIMEOUT,
    UPLOAD_BODY,
    VERBOSE,
    WAIT,
)
from api.routes.openapi.schemas import BINARY, INTEGER, STRING, array, obj, ref
from api.routes.results.results import MAX_ITEMS
from shared.errors import BadImage, BadParameter, Conflict, Forbidden, NotFound, QueueFull, Unavailable

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
