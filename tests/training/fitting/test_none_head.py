from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.data.dataset import Split

if TYPE_CHECKING:
    from training.train import Trained

pytestmark = pytest.mark.slow


def test_the_other_outputs_keep_their_proportions_and_rings_are_none_of_the_labels(
    trained: Trained, handful: Split
) -> None:
    from shared.models.temperature import scale
    from training.data.pictures import NONE, Pictures
    from training.data.splits import hold_out
    from training.fitting import none_head
    from training.fitting.temperature import fit_temperature

    rings = np.zeros((200, 28, 28), np.uint8)
    rings[:, 4:24, 4:24] = np.linspace(100, 255, 200).astype(np.uint8)[:, None, None]
    rings[:, 8:20, 8:20] = 0
    model = none_head.add(trained.model, handful, [Pictures(rings, np.full(200, NONE, np.uint8), "")], units=32)
    pixels = handful.images[..., None].astype(np.float32)
    answers, before = np.asarray(model(pixels)), np.asarray(trained.model(pixels))
    held_out = hold_out(len(pixels))[1]
    scaled = scale(before, fit_temperature(before[held_out], handful.labels[held_out]))
    labels = answers[:, :10] / answers[:, :10].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(labels, scaled, atol=1e-3)
    seen = np.asarray(model(rings[:5, ..., None].astype(np.float32)))
    assert seen.argmax(axis=1).tolist() == [NONE] * 5
    assert answers[:, NONE].mean() < 0.5 < seen[:, NONE].mean()


def test_an_output_for_none_of_the_labels_is_corrected_and_its_odds_can_be_weighed(
    trained: Trained, handful: Split
) -> None:
    from shared.models.layer_model import layer_model
    from training import architecture
    from training.data.pictures import NONE, Pictures
    from training.fitting import none_head
    from training.train import copy_weights

    bars = np.zeros((200, 28, 28), np.uint8)
    bars[:, 10:18] = np.linspace(100, 255, 200).astype(np.uint8)[:, None, None]
    pictures = [Pictures(bars, np.full(200, NONE, np.uint8), "")]
    first = architecture.build(trained.model.name, none_label=True)
    copy_weights(first, trained.model)
    digits, shown = (images[..., None].astype(np.float32) for images in (handful.images, bars[:5]))
    before = np.asarray(first(digits))
    model = none_head.add(first, handful, pictures, units=8)
    answers = np.asarray(model(digits))
    assert answers.shape == before.shape
    assert layer_model(model) is not None  # `cascade` and `export` write the layers
    assert (answers[:, :NONE].argmax(axis=1) == before[:, :NONE].argmax(axis=1)).all()
    seen = np.asarray(model(shown))
    assert seen[:, NONE].min() > np.asarray(first(shown))[:, NONE].max()
    odds = seen[:, NONE] / (1 - seen[:, NONE])
    architecture.weigh_none(model, 0.1)
    weighed = np.asarray(model(shown))[:, NONE]
    np.testing.assert_allclose(weighed / (1 - weighed), 0.1 * odds, rtol=0.01)
