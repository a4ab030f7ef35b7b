"""`?verbose=1` over HTTP, with a real worker: the layer outputs for an image, in the same pass as its answer."""

import asyncio
import base64
import io
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from PIL import Image
from redis.exceptions import ConnectionError

from api.http import capacity
from api.versions.catalog import Catalog
from api.versions.layers import GONE, MAX_REQUESTS, Verbose, layers_json
from shared.config.settings import load_settings
from shared.contract.layers_blob import LayerOutput, Layers, encode_layers, layer_output
from shared.contract.model_card import LayerOutputRow
from shared.data.dataset import Split
from shared.errors import BadParameter, QueueFull
from shared.models.temperature import scale
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.connection import api_client
from tests.support.processes import ROOT, Process
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import image_file
from tools.faults.system.faulty_worker import HEALED_FILE
from tools.faults.system.poison import poisoned
from tools.faults.system.service import worker_command

CONCURRENT = MAX_REQUESTS + 8


def picture_of(base64_png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(base64_png))))


def card_rows() -> list[LayerOutputRow]:
    """Return the rows of the first network, which decides about clear digits. The API names them by stage."""
    rows = DEFAULT.card["layer_outputs"] or []
    return [{**row, "name": f"stage-1/{row['name']}"} for row in rows]


@pytest.mark.parametrize("path", ["/mnist/classify/42", "/mnist/42/classify"])
def test_every_layer_of_the_card_has_its_shape_and_summary(system: System, test_set: Split, path: str) -> None:
    reply = system.http.get(path, params={"verbose": 1})
    assert reply.status_code == 200, reply.text
    result = reply.json()
    assert result["prediction"] == test_set.labels[42]
    rows = [{key: layer[key] for key in ("name", "class", "shape")} for layer in result["layers"]]
    assert rows == card_rows()
    for layer in result["layers"]:
        summary = layer["summary"]
        assert summary["min"] <= summary["mean"] <= summary["max"]
        assert 0 <= summary["zeros"] <= 1
        assert {"values", "png"}.isdisjoint(layer)
    assert result["layers"][0]["summary"]["max"] == pytest.approx(test_set.images[42].max() / 255, rel=1e-5)
    assert result["input"]["values"] == test_set.images[42].tolist()


def test_the_answer_is_the_same_as_without_layers(system: System, test_set: Split) -> None:
    for index in range(10):
        body = image_file(test_set.images[index])
        plain, seen = (
            system.http.post("/mnist/classify", content=body, params=query).json()
            for query in ({}, {"verbose": "true", "maps": "numbers"})
        )
        assert seen["prediction"] == plain["prediction"]
        probabilities = seen["debug"]["probabilities"]
        np.testing.assert_allclose(probabilities, plain["debug"]["probabilities"], atol=1e-5)
        last = np.array(seen["layers"][-1]["values"])[None]
        outputs = scale(last, DEFAULT.spec.networks[seen["debug"]["stage"] - 1].temperature)[0, :10]
        np.testing.assert_allclose(outputs / outputs.sum(), probabilities, atol=1e-3)
        assert seen["debug"]["batch_images"] == 1


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(120)
def test_the_numbers_are_those_of_keras(system: System, test_set: Split, model_dir: Path) -> None:
    import keras

    model = keras.models.load_model(model_dir / "model.keras", compile=False)
    names = [row["name"] for row in card_rows()]
    features = model.get_layer("labels").input  # the nested model `none` gets the same

    def output_of(name: str) -> Any:
        outer, _, inner = name.partition("/")
        layer = model.get_layer(outer)
        return keras.Model(layer.inputs, layer.get_layer(inner).output)(features) if inner else layer.output

    oracle = keras.Model(model.input, [output_of(name.removeprefix("stage-1/")) for name in names])
    for index in (0, 7, 42):
        result = system.http.get(f"/mnist/classify/{index}", params={"verbose": 1, "maps": "numbers"}).json()
        truths = oracle(test_set.images[index][None, ..., None].astype(np.float32))
        for layer, truth in zip(result["layers"], truths, strict=True):
            values = np.asarray(truth)[0]
            # float16 in Redis, four decimals in the response
            np.testing.assert_allclose(layer["values"], values, rtol=1e-3, atol=2e-4, err_msg=layer["name"])
            summary = layer["summary"]
            numbers = (summary["min"], summary["mean"], summary["max"])
            np.testing.assert_allclose(numbers, (values.min(), values.mean(), values.max()), rtol=1e-4, atol=1e-4)
            assert summary["zeros"] == pytest.approx(np.mean(values == 0), abs=0.01)


def test_pictures_show_the_numbers_in_tiles_on_the_given_scale(system: System, test_set: Split) -> None:
    body = image_file(test_set.images[3])
    drawn, numbers = (
        system.http.post("/mnist/classify", content=body, params={"verbose": 1, "maps": maps}).json()
        for maps in ("png", "numbers")
    )
    np.testing.assert_array_equal(picture_of(drawn["input"]["png"]), test_set.images[3])
    for layer, numbered in zip(drawn["layers"], numbers["layers"], strict=True):
        values, tiles, scale = np.array(numbered["values"]), layer["tiles"], layer["scale"]
        values = values[..., None] if values.ndim == 2 else values
        pixels = picture_of(layer["png"])
        height, width = tiles["height"], tiles["width"]
        rows = -(-tiles["count"] // tiles["columns"])
        assert pixels.shape == (rows * height, tiles["columns"] * width)
        assert (pixels.min(), pixels.max()) == (0, 255 if values.min() < values.max() else 0)
        back = scale["black"] + pixels / 255 * (scale["white"] - scale["black"])
        step = (scale["white"] - scale["black"]) / 255
        for number in range(tiles["count"]):
            row, column = divmod(number, tiles["columns"])
            tile = back[row * height : (row + 1) * height, column * width : (column + 1) * width]
            np.testing.assert_allclose(tile, values[..., number].reshape(height, width), atol=step + 1e-3)


def test_an_asynchronous_requests_layers_are_read_by_its_id(system: System, test_set: Split) -> None:
    headers = {"Prefer": "respond-async"}
    accepted = system.http.post(
        "/mnist/classify", content=image_file(test_set.images[5]), params={"verbose": 1}, headers=headers
    )
    assert accepted.status_code == 202
    job = system.finished(accepted.json()["id"])
    assert job["state"] == "done"
    document = system.http.get(f"/results/{job['id']}/layers").json()
    assert document["input"]["values"] == test_set.images[5].tolist()
    assert document["layers"][-1]["shape"] == [11]
    assert "png" in system.http.get(f"/results/{job['id']}/layers", params={"maps": "png"}).json()["input"]


def test_an_idempotency_key_distinguishes_verbose_and_plain_requests(system: System, test_set: Split) -> None:
    headers = {"Prefer": "respond-async", "Idempotency-Key": "verbose or not"}
    body = image_file(test_set.images[5])
    codes = [
        system.http.post("/mnist/classify", content=body, headers=headers, params={"verbose": verbose}).status_code
        for verbose in (1, 1, 0)
    ]
    assert codes == [202, 202, 409]


def test_layers_that_were_not_requested_or_are_gone_are_a_404(system: System) -> None:
    plain = system.http.get("/mnist/classify/1", headers={"Prefer": "respond-async"}).json()["id"]
    system.finished(plain)
    for result_id in (plain, "jffffffffffffffff", "ffffffffffffffff-0", "nonsense"):
        reply = system.http.get(f"/results/{result_id}/layers")
        assert reply.status_code == 404
        assert result_id in reply.json()["detail"]


def test_layers_of_a_synchronous_answer_can_be_read_by_its_id_for_a_limited_time(system: System) -> None:
    single_id = system.http.get("/mnist/classify/1", params={"verbose": 1}).json()["id"]
    assert system.http.get(f"/results/{single_id}/layers").json()["layers"][0]["name"] == "stage-1/scale"
    assert 0 < system.redis.ttl(keys.layers(single_id.partition("-")[0])) <= 300
    assert 0 < system.redis.ttl(keys.LAYERS) <= 300


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"verbose": "2"}, "verbose '2'"),
        ({"verbose": ""}, "verbose has no value"),
        ({"verbose": "1" * 5000}, "verbose '111"),
        ({"verbose": "1", "maps": "gif"}, "maps 'gif'"),
        ({"verbose": "1", "maps": ""}, "maps has no value"),
        ({"verbose": "1", "maps": "png,numbers"}, "maps 'png,numbers'"),
        ({"maps": "png"}, "verbose=1"),
        ({"verbose": "0", "maps": "png"}, "verbose=1"),
    ],
)
def test_invalid_parameters_are_a_422_that_names_them(
    system: System, test_set: Split, query: dict[str, str], said: str
) -> None:
    for reply in (
        system.http.get("/mnist/classify/0", params=query),
        system.http.post("/mnist/classify", params=query, content=image_file(test_set.images[0])),
        system.http.post("/mnist/classify/bulk", params=query, content=b""),
    ):
        assert reply.status_code == 422
        assert said in reply.json()["detail"]
        assert len(reply.json()["detail"]) < 300


def test_verbose_0_has_no_layers(system: System) -> None:
    for off in ("0", "false"):
        assert "layers" not in system.http.get("/mnist/classify/0", params={"verbose": off}).json()


def test_a_bulk_request_cannot_be_verbose(system: System) -> None:
    reply = system.http.post("/mnist/classify/bulk", params={"verbose": 1}, json={"start": 0, "stop": 2})
    assert reply.status_code == 422
    assert "one image" in reply.json()["detail"]


def test_errors_are_the_same_as_without_layers(system: System, test_set: Split) -> None:
    body = image_file(test_set.images[0])

    def post(content: bytes, headers: dict[str, str] | None = None, **query: float) -> httpx.Response:
        return system.http.post("/mnist/classify", content=content, headers=headers, params={"verbose": 1, **query})

    assert post(b"no image").status_code == 400
    waited = post(body, {"Prefer": "wait=0"})
    assert waited.status_code == 504
    assert "layers" not in waited.json()
    assert post(body, timeout_s=1e-9).status_code == 504


async def test_concurrent_verbose_and_plain_requests_do_not_affect_each_other(system: System, test_set: Split) -> None:
    alone = [
        system.http.get(f"/mnist/classify/{index}").json()["debug"]["probabilities"] for index in range(CONCURRENT)
    ]
    at_a_time = asyncio.Semaphore(MAX_REQUESTS)

    async def verbosely(index: int) -> httpx.Response:
        async with at_a_time:
            return await http.get(f"/mnist/classify/{index}", params={"verbose": 1, "maps": "png"})

    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        plain = [
            http.post("/mnist/classify", content=image_file(test_set.images[index])) for index in range(CONCURRENT)
        ]
        replies = await asyncio.gather(*plain, *map(verbosely, range(CONCURRENT)))
    assert {reply.status_code for reply in replies} == {200}
    results = [reply.json() for reply in replies]
    together = [result["debug"]["probabilities"] for result in results]
    np.testing.assert_allclose(together, alone + alone, atol=1e-4)
    for index, result in enumerate(results[CONCURRENT:]):
        np.testing.assert_array_equal(picture_of(result["input"]["png"]), test_set.images[index])
        assert result["debug"]["batch_images"] == 1
        assert len(result["layers"]) == len(card_rows())
    assert all("layers" not in result for result in results[:CONCURRENT])


def output(values: np.ndarray) -> LayerOutput:
    return layer_output("one", "ReLU", values)


def test_missing_layers_are_replaced_by_a_reason() -> None:
    document = layers_json(encode_layers(Layers(bytes(784), error="cannot be loaded")), "none")
    assert (document["layers"], document["layers_error"]) == (None, "cannot be loaded")
    assert document["input"]["values"].shape == (28, 28)
    damaged = layers_json(b"nonsense", "none")
    assert damaged["layers"] is None
    assert "not a layers blob" in damaged["layers_error"]


def test_nan_and_infinity_are_null_and_black() -> None:
    values = np.array([[[np.nan], [np.inf]], [[-1e-9], [2.0]]], np.float32)
    blob = encode_layers(Layers(bytes(784), [output(values)]))
    (numbers,) = orjson.loads(orjson.dumps(layers_json(blob, "numbers")["layers"]))
    assert numbers["values"] == [[[None], [None]], [[0], [2]]]
    assert numbers["summary"] == {"min": None, "mean": None, "max": None, "zeros": 0}
    (drawn,) = orjson.loads(orjson.dumps(layers_json(blob, "png")["layers"]))
    assert drawn["scale"] == {"black": pytest.approx(0, abs=1e-8), "white": 2}
    assert picture_of(drawn["png"]).tolist() == [[0, 0], [0, 255]]


async def test_requests_beyond_the_maximum_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "DELAY_S", (0.0, 0.0))
    nothing: Any = None
    reader = Verbose(nothing, nothing)
    slots = [reader.slot() for _ in range(MAX_REQUESTS)]
    for slot in slots:
        await slot.__aenter__()
    with pytest.raises(QueueFull, match="16 verbose requests"):
        await reader.slot().__aenter__()
    await slots[0].__aexit__(None, None, None)
    async with reader.slot():
        pass


def test_a_version_without_layers_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "plain" / "1"
    directory.mkdir(parents=True)
    (directory / "model.json").write_text('{"layers": []}')
    with pytest.raises(BadParameter, match="plain@1 was published without its layers"):
        asyncio.run(Verbose(AsyncClient(), Catalog(tmp_path)).require("plain@1"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with `cnn`, with `bare` without layers, and with `broken`, whose layers file is invalid."""
    models_dir = tmp_path_factory.mktemp("models")
    for name in ("cnn", "bare", "broken"):
        shutil.copytree(ROOT / "models" / "cnn" / "1", models_dir / name / "1")
    card = orjson.loads((models_dir / "bare" / "1" / "model.json").read_bytes())
    del card["layer_outputs"]
    (models_dir / "bare" / "1" / "model.json").write_bytes(orjson.dumps(card))
    (models_dir / "bare" / "1" / "layers.tflite").unlink()
    (models_dir / "broken" / "1" / "layers.tflite").write_bytes(b"garbage")
    return models_dir


@pytest.fixture(scope="module")
def other_models(redis_server: RedisServer, models: Path) -> Iterator[System]:
    with running(
        redis_server.new_url(), environ={"MODELS_DIR": str(models), "DEFAULT_MODEL": "cnn"}, api_in_thread=True
    ) as system:
        yield system


@pytest.mark.slow
def test_a_version_without_its_layers_is_a_422_that_names_it(other_models: System, test_set: Split) -> None:
    query = {"verbose": "1", "model": "bare"}
    for reply in (
        other_models.http.get("/mnist/classify/0", params=query),
        other_models.http.post("/mnist/classify", params=query, content=image_file(test_set.images[0])),
        other_models.http.get("/mnist/classify/0", params=query, headers={"Prefer": "respond-async"}),
    ):
        assert reply.status_code == 422
        assert "bare@1 was published without its layers" in reply.json()["detail"]
    assert other_models.http.get("/mnist/classify/0", params={"model": "bare"}).status_code == 200


@pytest.mark.slow
def test_layers_that_cannot_be_loaded_do_not_prevent_the_answer(other_models: System, test_set: Split) -> None:
    reply = other_models.http.get("/mnist/classify/0", params={"verbose": 1, "model": "broken"})
    assert reply.status_code == 200
    result = reply.json()
    assert (result["prediction"], result["layers"]) == (test_set.labels[0], None)
    assert "the layers cannot be shown" in result["layers_error"]
    assert result["input"]["values"] == test_set.images[0].tolist()


def test_layers_that_were_replaced_by_newer_ones_are_gone(system: System, tmp_path: Path) -> None:
    """The layers are evicted between the write of a worker and the read of the API."""

    async def read() -> dict[str, Any]:
        client = api_client(load_settings({"REDIS_URL": system.redis_url}))
        try:
            return await Verbose(client, Catalog(tmp_path)).read_or_explain("0123456789abcdef-0", "none")
        finally:
            await client.aclose()

    assert asyncio.run(read()) == {"layers": None, "layers_error": GONE}


def test_without_redis_only_the_layers_are_missing(tmp_path: Path) -> None:
    class Away(AsyncClient):
        async def execute_command(self, *args: Any, **options: Any) -> Any:
            raise ConnectionError("refused")

    document = asyncio.run(Verbose(Away(), Catalog(tmp_path)).read_or_explain("0123456789abcdef-0", "none"))
    assert (document["layers"], document["layers_error"]) == (
        None,
        "the layers cannot be read: Redis is unreachable: refused",
    )


def faulty_worker(name: str, system: System, environ: dict[str, str]) -> Process:
    process = Process(worker_command(name, faulty=True), {**system.environ, **environ})
    system.workers[name] = process
    return process


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_image_has_its_layers_after_its_worker_died(
    redis_server: RedisServer, test_set: Split, tmp_path: Path
) -> None:
    image = poisoned(test_set.images[7], "dies")
    with running(redis_server.new_url(), workers=0, environ={"LEASE_MS": "500"}, api_in_thread=True) as system:
        killed = faulty_worker("worker-1", system, {})
        system.wait_until_ready()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(system.http.post, "/mnist/classify", params={"verbose": 1}, content=image_file(image))
            assert killed.wait(60) < 0
            (tmp_path / "healed").touch()
            faulty_worker("worker-2", system, {HEALED_FILE: str(tmp_path / "healed")})
            reply = asked.result(60)
    assert reply.status_code == 200, reply.text
    assert reply.json()["debug"]["attempt"] > 1
    assert reply.json()["layers"][-1]["name"].endswith("/probabilities"), "of the stage that decided"
    assert reply.json()["input"]["values"] == image.tolist()
