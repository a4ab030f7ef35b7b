import numpy as np
import pytest

from shared.dataset import Split

pytestmark = pytest.mark.slow


def test_the_model_takes_raw_pixels_and_gives_probabilities(handful: Split) -> None:
    from training import architecture

    answers = architecture.build()(handful.images[..., None].astype(np.float32)).numpy()
    assert (answers.shape, answers.dtype.name) == ((100, 10), "float32")
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert answers.max() < 0.99  # pixels up to 255, taken for 0 to 1, would saturate it


def test_every_layer_has_a_name_of_its_own_and_stays_small() -> None:
    from training import architecture

    model = architecture.build()
    names = [layer.name for layer in model.layers]
    assert names[:4] == ["image", "scale", "conv1", "norm1"]
    assert len(set(names)) == len(names)
    assert model.count_params() < 150_000
