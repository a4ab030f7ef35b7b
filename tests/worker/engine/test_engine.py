"""The oracle: batched, alone, padded, in either engine, an image gets the answer that Keras gives it."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shared.data.dataset import Split
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.registry import load_version
from shared.models.temperature import scale
from tests.support.processes import ROOT
from tests.worker.support.engines_of import engine_of
from worker.engine import Engine, load_engine, replicate

SAME = 1e-4
PLAIN = load_version(ROOT / "models", "cnn@3")  # has one network


@pytest.fixture(scope="module")
def model_dir() -> Path:
    return PLAIN.directory


@pytest.fixture(scope="module")
def litert(model_dir: Path) -> Engine:
    return load_engine("litert", model_dir, threads=1, max_batch_images=64)


def test_batched_is_the_same_as_one_by_one(litert: Engine, test_set: Split) -> None:
    images = test_set.images[:100]
    alone = np.concatenate([litert.predict(image[None]).probabilities for image in images])
    np.testing.assert_allclose(litert.predict(images).probabilities, alone, atol=SAME)


def test_padding_never_leaks_into_a_neighbours_answer(litert: Engine, test_set: Split) -> None:
    whole = litert.predict(test_set.images[:70]).probabilities
    for count in range(1, 70):
        np.testing.assert_allclose(litert.predict(test_set.images[:count]).probabilities, whole[:count], atol=SAME)


def test_only_a_small_network_has_batch_sizes_between_powers_of_two(litert: Engine) -> None:
    """Each size takes memory of its own."""
    assert 3 in litert.calibration.ms_of_size
    large = load_engine("litert", ROOT / "models" / "seed" / "1", threads=1, max_batch_images=4)
    assert set(large.calibration.ms_of_size) <= {1, 2, 4}


def test_answers_are_probabilities_in_the_order_of_the_images(litert: Engine, test_set: Split) -> None:
    answers = litert.predict(test_set.images[:200]).probabilities
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-3)
    assert np.mean(answers.argmax(axis=1) == test_set.labels[:200]) > 0.97
    np.testing.assert_allclose(litert.predict(test_set.images[:200][::-1]).probabilities, answers[::-1], atol=SAME)


def test_no_images_get_no_answers(litert: Engine) -> None:
    assert litert.predict(np.empty((0, 28, 28), np.uint8)).probabilities.shape == (0, 10)


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 27), (1, 784)])
def test_another_shape_is_refused(litert: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        litert.predict(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="float32"):
        litert.predict(np.zeros((1, 28, 28), np.float32))


def test_a_runtime_that_answers_with_the_wrong_length_is_caught() -> None:
    class Short:
        kind = "litert"

        def run(self, images: Images) -> Probabilities:
            return np.zeros((len(images) - 1, 10), np.float32)

    engine = engine_of(Short(), {1: 1.0, 4: 1.0})
    with pytest.raises(ValueError, match="to 4 images"):
        engine.predict(np.zeros((3, 28, 28), np.uint8))


def test_a_model_file_that_will_not_load_raises(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "model.tflite").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="model"):
        load_engine("litert", tmp_path, threads=1)


def test_an_onnx_file_without_onnx_runtime_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "worker.engine.onnx", raising=False)
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"pip install 'mnistified\[onnx\]'"):
        load_engine("litert", tmp_path, threads=1)


@pytest.mark.parametrize("temperature", [0, -1, 11, "warm", None])
def test_a_card_with_a_wrong_temperature_is_refused(tmp_path: Path, temperature: object) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"temperature": temperature}))
    with pytest.raises(ModelError, match="temperature"):
        load_engine("litert", tmp_path, threads=1)


def test_an_engine_and_its_replicas_scale_by_the_temperature_of_the_card(test_set: Split) -> None:
    engine = load_engine("litert", PLAIN.directory, threads=1, max_batch_images=4)
    (network,) = engine.networks
    assert network.temperature == PLAIN.card["temperature"] != 1
    images = test_set.images[:4]
    scaled = scale(network.runtime.run(images), network.temperature)
    (replica,) = replicate(engine, PLAIN.directory, 1)
    for each in (engine, replica):
        np.testing.assert_allclose(each.predict(images).probabilities, scaled, atol=1e-5)
    np.testing.assert_allclose(engine.look_inside(images[:1])[0].probabilities, scaled[:1], atol=1e-4)


def test_a_look_inside_gives_the_answer_of_every_day(litert: Engine, test_set: Split) -> None:
    whole = litert.predict(test_set.images[:20]).probabilities
    for index in range(20):
        answer, outputs = litert.look_inside(test_set.images[index : index + 1])
        np.testing.assert_allclose(answer.probabilities, whole[index : index + 1], atol=1e-5)
        shown = scale(outputs[-1].values[None], litert.networks[0].temperature)
        np.testing.assert_allclose(shown, answer.probabilities, atol=1e-6)
    np.testing.assert_allclose(outputs[0].values[..., 0] * 255, test_set.images[19], atol=1e-3)


@pytest.mark.parametrize("shape", [(0, 28, 28), (2, 28, 28), (1, 27, 28)])
def test_only_one_image_is_looked_into(litert: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"uint8\[1,28,28\]"):
        litert.look_inside(np.zeros(shape, np.uint8))


def test_a_version_without_layers_answers_but_shows_none(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes((model_dir / "model.tflite").read_bytes())
    (tmp_path / "model.json").write_text("{}")
    engine = load_engine("litert", tmp_path, threads=1, max_batch_images=1)
    with pytest.raises(ModelError, match="no layers to show"):
        engine.look_inside(np.zeros((1, 28, 28), np.uint8))
    assert engine.predict(np.zeros((1, 28, 28), np.uint8)).probabilities.shape == (1, 10)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_both_engines_show_the_same_layers(litert: Engine, model_dir: Path, test_set: Split) -> None:
    tensorflow = load_engine("tensorflow", model_dir, threads=1, max_batch_images=1)
    for index in (3, 42):
        image = test_set.images[index : index + 1]
        (answer, outputs), (other_answer, others) = litert.look_inside(image), tensorflow.look_inside(image)
        np.testing.assert_allclose(answer.probabilities, other_answer.probabilities, atol=1e-5)
        np.testing.assert_allclose(other_answer.probabilities, tensorflow.predict(image).probabilities, atol=1e-5)
        for output, other in zip(outputs, others, strict=True):
            assert (output.name, output.class_name) == (other.name, other.class_name)
            np.testing.assert_allclose(output.values, other.values, atol=SAME, strict=True)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_both_engines_give_the_answers_of_keras(litert: Engine, model_dir: Path, test_set: Split) -> None:
    import keras

    images = test_set.images[:150]
    model = keras.models.load_model(model_dir / "model.keras", compile=False)
    oracle = scale(model.predict(images.astype(np.float32)[..., None], verbose=0), litert.networks[0].temperature)
    tensorflow = load_engine("tensorflow", model_dir, threads=1, max_batch_images=16)
    for engine in (litert, tensorflow):
        np.testing.assert_allclose(engine.predict(images).probabilities, oracle, atol=SAME)
    np.testing.assert_allclose(tensorflow.predict(images[:13]).probabilities, oracle[:13], atol=SAME)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_keras_never_compiles_for_a_new_count(model_dir: Path, test_set: Split) -> None:
    from worker.engine.keras import KerasRuntime

    engine = load_engine("tensorflow", model_dir, threads=1, max_batch_images=8)
    runtime = engine.networks[0].runtime
    assert isinstance(runtime, KerasRuntime)
    before = runtime.compiled_sizes
    for count in range(1, 30):
        engine.predict(test_set.images[:count])
    assert runtime.compiled_sizes == before


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_engines_of_a_gpu_share_a_model_and_answer_at_the_same_time(model_dir: Path, test_set: Split) -> None:
    first = load_engine("tensorflow", model_dir, threads=1, max_batch_images=8)
    (second,) = replicate(first, model_dir, 1)
    assert second.networks[0].runtime is first.networks[0].runtime
    images = test_set.images[:40]
    alone = first.predict(images)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda engine: engine.predict(images), [first, second] * 5))
    for answer in answers:
        np.testing.assert_allclose(answer.probabilities, alone.probabilities, atol=1e-6)


def test_an_engine_pauses_before_each_run_and_may_be_used_in_the_pause(litert: Engine, test_set: Split) -> None:
    size = litert.best_batch_images
    images, passing = test_set.images[: 3 * size], test_set.images[-1:]
    expected, alone = litert.predict(images).probabilities, litert.predict(passing).probabilities
    passed = []
    answers = litert.predict(images, lambda: passed.append(litert.predict(passing).probabilities)).probabilities
    assert len(passed) >= 3
    np.testing.assert_allclose(answers, expected, atol=SAME)
    np.testing.assert_allclose(np.concatenate(passed), np.repeat(alone, len(passed), axis=0), atol=SAME)
