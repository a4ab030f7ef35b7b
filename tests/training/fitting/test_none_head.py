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
    model = none_head.add(trained.model, handful, [Pictures(rings, np.full(200, NONE, np.uint8), "")])
    pixels = handful.images[..., None].astype(np.float32)
    answers, before = np.asarray(model(pixels)), np.asarray(trained.model(pixels))
    held_out = hold_out(len(pixels))[1]
    scaled = scale(before, fit_temperature(before[held_out], handful.labels[held_out]))
    labels = answers[:, :10] / answers[:, :10].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(labels, scaled, atol=1e-3)
    seen = np.asarray(model(rings[:5, ..., None].astype(np.float32)))
    assert seen.argmax(axis=1).tolist() == [NONE] * 5
    assert answers[:, NONE].mean() < 0.5 < seen[:, NONE].mean()
