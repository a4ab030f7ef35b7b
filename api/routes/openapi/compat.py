"""The operations of the compatibility APIs, by method and path."""

from api.routes.openapi.operation import Content, Operation
from api.routes.openapi.parameters import JSON, SINGLE_ERRORS
from api.routes.openapi.schemas import BINARY, STRING, array, obj, ref
from shared.errors import BadRequest, Forbidden, NotFound, RequestError, SlowClient, TooLarge, Unavailable

PREDICT_ERRORS = (BadRequest, SlowClient, TooLarge, *SINGLE_ERRORS)


def _v2(summary: str, *errors: type[RequestError], schema: dict[str, object] | None = None) -> Operation:
    content = [Content(JSON, schema or {"type": "object"})]
    return Operation(
        summary=summary, tag="Open Inference Protocol v2", content=content, errors=errors, plain_errors=True
    )


def _v1(summary: str, *errors: type[RequestError]) -> Operation:
    content = [Content(JSON, {"type": "object"})]
    return Operation(summary=summary, tag="TensorFlow Serving", content=content, errors=errors, plain_errors=True)


INFER = Operation(
    summary="The class probabilities of one or many images",
    tag="Open Inference Protocol v2",
    body=[
        Content(
            JSON,
            ref("InferRequest"),
            {"inputs": [{"name": "images", "shape": [1, 784], "datatype": "UINT8", "data": [0] * 784}]},
        ),
        Content("application/octet-stream", BINARY),
    ],
    content=[Content(JSON, ref("InferReply")), Content("application/octet-stream", BINARY)],
    headers={"Inference-Header-Content-Length": "number of bytes of JSON before the binary tensors"},
    errors=PREDICT_ERRORS,
    plain_errors=True,
)
PREDICT = Operation(
    summary="The class probabilities of one or many images",
    tag="TensorFlow Serving",
    body=[Content(JSON, ref("PredictRequest"), {"instances": [[0] * 784]})],
    content=[Content(JSON, ref("PredictReply"))],
    errors=PREDICT_ERRORS,
    plain_errors=True,
)
_MODEL_OPERATIONS = {
    "": _v2("Metadata of a model", NotFound),
    "/ready": _v2("Whether the version exists and a worker is ready", NotFound, Unavailable),
    "/config": _v2("Triton's model configuration", NotFound),
    "/stats": _v2("Statistics of this API since this process started", NotFound),
}
_V2_MODELS = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
_V1_MODELS = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}", "/v1/models/{name}/labels/{label}")

OPERATIONS = (
    {
        "GET /v2": _v2("Name, version, extensions"),
        "GET /v2/health/live": _v2("Whether this process is alive"),
        "GET /v2/health/ready": _v2("Whether a worker is ready", Unavailable),
        "GET /v2/models/stats": _v2("Statistics of this API since this process started"),
        "POST /v2/repository/index": _v2(
            "All versions", schema=array(obj({"name": STRING, "version": STRING, "state": STRING, "reason": STRING}))
        ),
        "POST /v2/repository/models/{name}/load": Operation(
            summary="Whether the model exists (admins only)",
            tag="Open Inference Protocol v2",
            errors=(Forbidden, NotFound),
            plain_errors=True,
        ),
        "POST /v2/repository/models/{name}/unload": _v2("Refused: workers unload by themselves", BadRequest, Forbidden),
        "GET /v1/models": _v1("Refused: a model's name is missing", BadRequest),
    }
    | {f"GET {model}{tail}": operation for model in _V2_MODELS for tail, operation in _MODEL_OPERATIONS.items()}
    | {f"POST {model}/infer": INFER for model in _V2_MODELS}
    | {f"POST {model}:predict": PREDICT for model in _V1_MODELS}
    | {f"GET {model}": _v1("Status of the versions", BadRequest, NotFound) for model in _V1_MODELS}
    | {f"GET {model}/metadata": _v1("The signature", BadRequest, NotFound) for model in _V1_MODELS}
)
