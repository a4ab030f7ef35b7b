import numpy as np
import pytest

from shared.contract.training import NETWORK_NAMES
from shared.data.dataset import Split

pytestmark = pytest.mark.slow


def test_the_command_line_knows_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from training import architecture

    monkeypatch.delitem(architecture.NETWORKS, "tiny", raising=False)  # the fixture `plan` may have added it
    assert tuple(architecture.NETWORKS) == NETWORK_NAMES


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_a_network_takes_raw_pixels_and_gives_probabilities(name: str, handful: Split) -> None:
    from training import architecture

    answers = architecture.build(name)(handful.images[..., None].astype(np.float32)).numpy()
    assert (answers.shape, answers.dtype.name) == ((100, 10), "float32")
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert answers.max() < 0.999  # pixels up to 255 without scaling would saturate it


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_layer_names_are_unique(name: str) -> None:
    from training import architecture

    names = [layer.name for layer in architecture.build(name).layers]
    smoothing = [] if name == "seed" else ["rows", "smooth", "smoothed"]
    first = ["image", "scale", *smoothing, "conv1"]
    assert names[: len(first)] == first
    assert len(set(names)) == len(names)


def test_the_networks_need_few_enough_multiplications() -> None:
    from training import architecture
    from training.publishing import card

    millions = {name: card.multiply_adds(architecture.build(name)) / 1e6 for name in NETWORK_NAMES}
    assert millions["seed"] == pytest.approx(6.09, abs=0.01)
    assert millions["cnn"] <= millions["seed"]
    assert millions["cnn-small"] <= millions["seed"] / 5


def test_smoothing_keeps_the_sum_and_uniform_areas() -> None:
    from training import architecture

    assert architecture.SMOOTHING.sum() == pytest.approx(1)
    images = np.full((1, 28, 28, 1), 7, np.float32)
    images[0, 12, 20] = 71
    smoothed = np.asarray(architecture.smooth(images))[0, ..., 0]
    assert np.allclose(smoothed[2:10, 2:10], 7)
    assert np.allclose(smoothed[11:14, 19:22] - 7, 64 * architecture.SMOOTHING)
    assert np.allclose(smoothed[0, 5], 7 * 7 / 8)  # pixels outside the image are 0


def test_smoothing_equals_a_two_dimensional_convolution(monkeypatch: pytest.MonkeyPatch, handful: Split) -> None:
    import keras

    from training import architecture

    asymmetric = np.arange(9, dtype=np.float32).reshape(3, 3)
    monkeypatch.setattr(architecture, "SMOOTHING", asymmetric)
    pixels = handful.images[:5, ..., None].astype(np.float32)
    expected = keras.ops.conv(pixels, asymmetric[..., None, None], padding="same")
    assert np.allclose(architecture.smooth(pixels), expected, atol=1e-2)


def test_smoothing_is_turned_off_and_on_and_is_not_trained(handful: Split) -> None:
    from training import architecture

    model = architecture.build("cnn-small")
    pixels = handful.images[:5, ..., None].astype(np.float32)
    as_served = model(pixels).numpy()
    architecture.set_smoothing(model, on=False)
    assert not np.allclose(model(pixels), as_served, atol=1e-5)
    smoothed = np.asarray(architecture.smooth(pixels))
    assert np.allclose(model(smoothed), as_served, atol=1e-5)
    architecture.set_smoothing(model, on=True)
    assert np.array_equal(model(pixels), as_served)
    assert not any(variable.path.startswith("smooth") for variable in model.trainable_variables)
