from typing import Any

import numpy as np
import orjson
import pytest

from api.routes.compat.v2_tensors import DTYPES, InferRequest, encode_response, parse_request
from shared.contract.model_ref import ModelRef
from shared.errors import BadParameter

LABELS = [str(digit) for digit in range(10)]
PIXELS = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
PROBABILITIES = np.eye(10, dtype=np.float32)[[3, 7]] * np.float32(0.91) + np.float32(0.009)


def request(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": PIXELS.ravel().tolist()}
    return {"inputs": [tensor | changes]}


def parse(content: dict[str, Any]) -> InferRequest:
    return parse_request(orjson.dumps(content), None)


@pytest.mark.parametrize("data", [PIXELS.tolist(), PIXELS.ravel().tolist()])
def test_data_may_be_nested_or_flat(data: list[Any]) -> None:
    assert np.array_equal(parse(request(data=data)).tensor, PIXELS)


@pytest.mark.parametrize("datatype", [datatype for datatype in DTYPES if datatype != "INT8"])
def test_binary_data_follow_the_json(datatype: str) -> None:
    tensor = PIXELS.astype(DTYPES[datatype])
    content = request(datatype=datatype, parameters={"binary_data_size": tensor.nbytes})
    del content["inputs"][0]["data"]
    text = orjson.dumps(content)
    assert np.array_equal(parse_request(text + tensor.tobytes(), str(len(text))).tensor, tensor)


def test_a_raw_request_is_the_pixels_of_one_image() -> None:
    content = parse_request(PIXELS.tobytes(), "0")
    assert np.array_equal(content.tensor, PIXELS)
    assert content.binary


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "x"}, "unknown input 'x'"),
        ({"datatype": "BYTES"}, "has type 'BYTES', expected one of UINT8"),
        ({"datatype": ["UINT8"]}, r"`str`, got `array` - at `\$.inputs\[0\].datatype`"),
        ({"shape": [1, 28, 29]}, r"does not match UINT8\[1, 28, 29\]"),
        ({"shape": [1, -1, 28]}, r"`int` >= 1 - at `\$.inputs\[0\].shape"),
        ({"shape": [True, 28, 28]}, "`int`, got `bool`"),
        ({"shape": [1 << 30] * 8}, "does not match UINT8"),
        ({"shape": None}, "`array`, got `null`"),
        ({"data": None}, "does not match UINT8"),
        ({"data": ["a"] * 784}, "does not match UINT8"),
        ({"data": [[1], [2, 3]]}, "does not match UINT8"),
        ({"data": [300] * 784}, "does not match UINT8"),
        ({"data": [1.5] * 784}, "does not match UINT8"),
        ({"parameters": {"binary_data_size": 784}}, "784 binary bytes, but 0 were sent"),
        ({"parameters": {"binary_data_size": -5}}, "`int` >= 0"),
        ({"parameters": 5}, r"`object \| null`, got `int`"),
    ],
)
def test_a_wrong_input_is_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        parse(request(**change))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "`object`, got `array`"),
        ({}, "one input"),
        ({"inputs": [1]}, "`object`, got `int`"),
        ({"inputs": [{}, {}]}, "one input"),
        (request() | {"outputs": [{"name": "logits"}]}, "unknown output 'logits'"),
        (request() | {"outputs": {"name": "probabilities"}}, r"`array \| null`, got `object`"),
        (request() | {"id": 5}, r"`str \| null`, got `int`"),
        (request() | {"parameters": {"timeout": "soon"}}, r"`int`, got `str` - at `\$.parameters.timeout`"),
        (request() | {"parameters": {"binary_data_output": 1}}, "`bool`, got `int`"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(content: Any, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        parse(content)


@pytest.mark.parametrize("length", ["-1", "x", "9999999"])
def test_a_header_length_outside_the_body_is_refused(length: str) -> None:
    with pytest.raises(BadParameter, match="inference-header-content-length is"):
        parse_request(orjson.dumps(request()), length)


def test_a_reply_echoes_the_id_and_has_flat_numbers() -> None:
    body, split = encode_response(PROBABILITIES, ModelRef("cnn", 2), parse(request() | {"id": "a"}), LABELS)
    reply = orjson.loads(body)
    assert split is None
    assert (reply["id"], reply["model_name"], reply["model_version"]) == ("a", "cnn", "2")
    assert reply["outputs"][0]["shape"] == [2, 10]
    assert np.allclose(reply["outputs"][0]["data"], PROBABILITIES.ravel())


def test_a_binary_reply_has_its_numbers_after_the_json() -> None:
    content = parse(request() | {"parameters": {"binary_data_output": True}})
    body, split = encode_response(PROBABILITIES, ModelRef("cnn", 2), content, LABELS)
    assert split is not None
    output = orjson.loads(body[:split])["outputs"][0]
    assert output["parameters"] == {"binary_data_size": 80}
    assert np.array_equal(np.frombuffer(body[split:], "<f4").reshape(2, 10), PROBABILITIES)


def test_an_output_overrides_the_request() -> None:
    output = {"name": "probabilities", "parameters": {"binary_data": False}}
    assert not parse(request() | {"outputs": [output], "parameters": {"binary_data_output": True}}).binary


def test_classification_names_the_likeliest_first() -> None:
    output = {"name": "probabilities", "parameters": {"classification": 2}}
    body, _ = encode_response(PROBABILITIES, ModelRef("cnn", 2), parse(request() | {"outputs": [output]}), LABELS)
    output = orjson.loads(body)["outputs"][0]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    assert output["data"] == ["0.919000:3:3", "0.009000:0:0", "0.919000:7:7", "0.009000:0:0"]
