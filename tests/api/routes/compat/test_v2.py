"""The compatibility API of the Open Inference Protocol v2, tested with Triton's client."""

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from shared.data.dataset import Split
from tests.support.system import System

COUNT = 100


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(system.url.removeprefix("http://")) as connected:
        yield connected


@pytest.fixture(scope="module")
def expected(system: System, test_set: Split) -> np.ndarray:
    """Return float32[100,10], the probabilities of the service's own route."""
    replies = [system.http.get(f"/mnist/classify/{index}").json() for index in range(COUNT)]
    return np.array([reply["debug"]["probabilities"] for reply in replies], np.float32)


def tensor(images: np.ndarray, datatype: str = "UINT8", *, binary: bool = True) -> triton.InferInput:
    given = triton.InferInput("images", list(images.shape), datatype)
    given.set_data_from_numpy(images, binary_data=binary)
    return given


def test_the_server_describes_itself(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cnn")
    assert client.is_model_ready("cnn", "1")
    assert client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("cnn")["inputs"][0]["shape"] == [-1, 28, 28]
    assert client.get_model_config("cnn")["max_batch_size"] > 0
    assert {"name": "cnn", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index()


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("datatype", "dtype"), [("UINT8", np.uint8), ("FP32", np.float32)])
@pytest.mark.parametrize("shape", [(-1, 28, 28), (-1, 28, 28, 1), (-1, 784)])
def test_100_images_get_the_answers_of_the_services_own_route(
    client: triton.InferenceServerClient,
    test_set: Split,
    expected: np.ndarray,
    binary: bool,
    datatype: str,
    dtype: type,
    shape: tuple[int, ...],
) -> None:
    images: np.ndarray = test_set.images[:COUNT].reshape(shape).astype(dtype)
    answers = client.infer("cnn", [tensor(images, datatype, binary=binary)]).as_numpy("probabilities")
    assert np.abs(answers - expected).max() < 1e-6


def test_one_at_a_time_and_with_an_id(
    client: triton.InferenceServerClient, test_set: Split, expected: np.ndarray
) -> None:
    for index in range(10):
        reply = client.infer("cnn", [tensor(test_set.images[index : index + 1])], request_id=f"r{index}")
        assert np.abs(reply.as_numpy("probabilities") - expected[index]).max() < 1e-6
        assert reply.get_response()["id"] == f"r{index}"
        assert reply.get_response()["model_name"] == "cnn"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_packed_bodies_both_ways(
    client: triton.InferenceServerClient, test_set: Split, expected: np.ndarray, algorithm: str
) -> None:
    reply = client.infer(
        "cnn",
        [tensor(np.repeat(test_set.images[:COUNT], 8, axis=0))],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert np.abs(reply.as_numpy("probabilities")[::8] - expected).max() < 1e-6


def test_classification_gives_labels(client: triton.InferenceServerClient, test_set: Split) -> None:
    wanted = triton.InferRequestedOutput("probabilities", class_count=3)
    reply = client.infer("cnn", [tensor(test_set.images[:5])], outputs=[wanted])
    classes = reply.as_numpy("probabilities")
    assert classes.shape == (5, 3)
    assert [int(row[0].decode().split(":")[2]) for row in classes] == test_set.labels[:5].tolist()


async def test_the_asyncio_client_gets_the_same(system: System, test_set: Split, expected: np.ndarray) -> None:
    async with triton_aio.InferenceServerClient(system.url.removeprefix("http://")) as client:
        given = triton_aio.InferInput("images", [COUNT, 28, 28], "UINT8")
        given.set_data_from_numpy(test_set.images[:COUNT])
        reply = await client.infer("cnn", [given])
    assert np.abs(reply.as_numpy("probabilities") - expected).max() < 1e-6


def test_statistics_count_what_was_answered(client: triton.InferenceServerClient, test_set: Split) -> None:
    def inferences() -> int:
        (row,) = client.get_inference_statistics("cnn", "1")["model_stats"]
        assert {"cache_hit", "cache_miss", "queue"} <= row["inference_stats"].keys()
        return int(row["inference_count"])

    before = inferences()
    client.infer("cnn", [tensor(test_set.images[:7])], model_version="1")
    assert inferences() == before + 7


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        ("nobody", np.zeros((1, 28, 28), np.uint8), "no model 'nobody'"),
        ("cnn", np.zeros((1, 28, 29), np.uint8), r"has shape \[1, 28, 29\]"),
        ("cnn", np.full((1, 28, 28), 0.5, np.float32), "image 0 of input 'images' has no contrast"),
    ],
)
def test_an_error_is_readable_in_the_client(
    client: triton.InferenceServerClient, model: str, images: np.ndarray, message: str
) -> None:
    datatype = "UINT8" if images.dtype == np.uint8 else "FP32"
    with pytest.raises(InferenceServerException, match=message):
        client.infer(model, [tensor(images, datatype)])


def test_paths_and_methods_that_are_not_there_are_readable_too(
    client: triton.InferenceServerClient, system: System
) -> None:
    with pytest.raises(InferenceServerException, match="there is no path"):
        client.get_cuda_shared_memory_status()
    reply = system.http.get("/v2/models/cnn/infer")
    assert reply.status_code == 405
    assert isinstance(reply.json()["error"], str)


def test_a_client_may_load_models_but_not_unload_them(client: triton.InferenceServerClient) -> None:
    client.load_model("cnn")
    with pytest.raises(InferenceServerException, match="workers unload versions"):
        client.unload_model("cnn")
