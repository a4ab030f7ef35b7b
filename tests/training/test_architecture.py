import numpy as np
import pytest

from shared.dataset import Split
from shared.training import NETWORK_NAMES

pytestmark = pytest.mark.slow


def test_the_command_line_knows_every_network() -> None:
    from training import architecture

    assert tuple(architecture.NETWORKS) == NETWORK_NAMES


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_a_network_takes_raw_pixels_and_gives_probabilities(name: str, handful: Split) -> None:
    from training import architecture

    answers = architecture.build(name)(handful.images[..., None].astype(np.float32)).numpy()
    assert (answers.shape, answers.dtype.name) == ((100, 10), "float32")
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert answers.max() < 0.999  # pixels up to 255, taken for 0 to 1, would saturate it


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_every_layer_has_a_name_of_its_own(name: str) -> None:
    from training import architecture

    names = [layer.name for layer in architecture.build(name).layers]
    assert names[:3] == ["image", "scale", "conv1"]
    assert len(set(names)) == len(names)


def test_the_networks_cost_what_their_purpose_allows() -> None:
    from training import architecture, card

    millions = {name: card.multiply_adds(architecture.build(name)) / 1e6 for name in NETWORK_NAMES}
    assert millions["seed"] == pytest.approx(6.09, abs=0.01)
    assert millions["cnn"] <= millions["seed"]
    assert millions["cnn-small"] <= millions["seed"] / 5
