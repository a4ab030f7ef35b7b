"""The compatibility API of TensorFlow Serving, tested with the curl commands of its documentation."""

import json
import shutil
import subprocess
from typing import Any, cast

import numpy as np
import pytest

from api.queue.classify_request import ClassifyRequest
from api.routes.compat import predict
from api.state import State
from shared.config.api_keys import ApiKey
from shared.data.dataset import Split
from shared.errors import TooLarge
from tests.support.system import System

COUNT = 100


def curl(system: System, *arguments: str, data: str | None = None) -> dict[str, Any]:
    """Return the output of curl. `data` is posted without a content type, as in the documentation."""
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    *options, path = arguments
    command = ["curl", "-s", *options, *(["-d", "@-"] if data is not None else []), system.url + path]
    output = subprocess.run(command, input=data, capture_output=True, text=True, check=True, timeout=60)
    reply: dict[str, Any] = json.loads(output.stdout)
    return reply


def test_the_status_of_a_model(system: System) -> None:
    version = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert curl(system, "/v1/models/cnn/versions/1") == {"model_version_status": [version]}
    assert version in curl(system, "/v1/models/cnn")["model_version_status"]
    assert len(curl(system, "/v1/models/cnn/labels/latest")["model_version_status"]) == 1


def test_the_metadata_of_a_model(system: System) -> None:
    metadata = curl(system, "/v1/models/cnn/metadata")
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert metadata["model_spec"]["name"] == "cnn"
    assert [axis["size"] for axis in signature["inputs"]["images"]["tensor_shape"]["dim"]] == ["-1", "28", "28"]


@pytest.fixture(scope="module")
def expected(system: System) -> np.ndarray:
    """The probabilities of the first images of the test set."""
    replies = [system.http.get(f"/mnist/classify/{index}").json() for index in range(COUNT)]
    return np.array([reply["debug"]["probabilities"] for reply in replies])


@pytest.mark.parametrize("shape", [(-1, 28, 28), (-1, 28, 28, 1), (-1, 784)])
@pytest.mark.parametrize("form", ["rows", "named rows", "column", "named column"])
def test_100_images_in_every_form(
    system: System, test_set: Split, expected: np.ndarray, shape: tuple[int, ...], form: str
) -> None:
    images = test_set.images[:COUNT].reshape(shape).tolist()
    asked, key = {
        "rows": ({"instances": images}, "predictions"),
        "named rows": ({"instances": [{"images": image} for image in images]}, "predictions"),
        "column": ({"inputs": images}, "outputs"),
        "named column": ({"inputs": {"images": images}}, "outputs"),
    }[form]
    reply = curl(system, "/v1/models/cnn:predict", data=json.dumps(asked | {"signature_name": "serving_default"}))
    assert np.abs(np.array(reply[key]) - expected).max() < 1e-6


def test_numbers_from_0_to_1_and_blank_images(system: System, test_set: Split) -> None:
    for scaled in ((test_set.images[:3] > 127).astype(int), test_set.images[:3] / 255):
        reply = curl(system, "/v1/models/cnn:predict", data=json.dumps({"instances": scaled.tolist()}))
        assert np.argmax(reply["predictions"], 1).tolist() == test_set.labels[:3].tolist()
    blank = json.dumps({"instances": np.zeros((1, 28, 28), int).tolist()})
    assert "no contrast" in curl(system, "/v1/models/cnn:predict", data=blank)["error"]


@pytest.mark.parametrize("place", ["/versions/1", "/labels/latest"])
def test_versions_and_labels(system: System, test_set: Split, place: str) -> None:
    data = json.dumps({"instances": [test_set.images[0].astype(float).tolist()]})
    (row,) = curl(system, f"/v1/models/cnn{place}:predict", data=data)["predictions"]
    assert np.argmax(row) == test_set.labels[0]


@pytest.mark.parametrize(
    ("path", "data", "status", "message"),
    [
        ("/v1/models/half", None, 404, "Servable not found for request: Latest(half)"),
        ("/v1/models/half:predict", "{}", 404, "Servable not found for request: Latest(half)"),
        ("/v1/models/cnn/versions/99:predict", "{}", 404, "Servable not found for request: Specific(cnn, 99)"),
        ("/v1/models/cnn/labels/best:predict", "{}", 400, "Unrecognized servable version label: best"),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/v1/model/cnn", None, 400, "Malformed request: GET /v1/model/cnn"),
        ("/v1/models/cnn:predict", None, 400, "Malformed request: GET /v1/models/cnn:predict"),
        ("/v1/models/cnn:predict", "", 400, "JSON Parse error: The document is empty"),
        ("/v1/models/cnn:predict", "{", 400, "JSON Parse error"),
        ("/v1/models/cnn:predict", "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/cnn:predict", "[]", 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/cnn:predict", '{"instances": 5}', 400, "has shape []"),
        ("/v1/models/cnn:predict", '{"instances": []}', 400, "or there is none"),
        ("/v1/models/cnn:predict", '{"instances": [["a"]]}', 400, "not of expected type: float"),
        ("/v1/models/cnn:predict", '{"instances": [[1], [1, 2]]}', 400, "different shapes"),
        ("/v1/models/cnn:predict", '{"instances": [{"b64": "AA=="}]}', 400, "only the input 'images'"),
        ("/v1/models/cnn:predict", '{"instances": [[0]], "signature_name": "x"}', 400, "signature name: 'x' not found"),
        ("/v1/models/cnn:classify", "{}", 400, "use predict"),
    ],
)
def test_errors_have_the_wording_of_the_original(
    system: System, path: str, data: str | None, status: int, message: str
) -> None:
    reply = system.http.get(path) if data is None else system.http.post(path, content=data)
    assert reply.status_code == status
    assert message in reply.json()["error"]


async def test_a_response_of_too_many_probabilities_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "MAX_VALUES", 29)
    asked = ClassifyRequest(model="cnn@1", caller=ApiKey("", ""))
    images = np.zeros((3, 28, 28), np.uint8)
    with pytest.raises(TooLarge, match="send up to 2 images, or use /models/cnn@1/classify/bulk"):
        await predict.predict(cast(State, None), images, asked, cast(Any, None))
