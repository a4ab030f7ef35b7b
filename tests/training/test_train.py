from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.dataset import Split

if TYPE_CHECKING:
    from training.train import Plan, Trained

pytestmark = pytest.mark.slow


def test_the_loss_falls(trained: Trained) -> None:
    history = trained.history
    assert history["loss"][-1] < history["loss"][0] * 0.7
    assert history["accuracy"][-1] > history["accuracy"][0]
    assert len(history["val_accuracy"]) == 8


def test_a_seed_repeats(trained: Trained, handful: Split, plan: Plan) -> None:
    from training.train import fit

    again = fit(handful, plan, verbose=False)
    assert again.history == trained.history
    pairs = zip(again.model.get_weights(), trained.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_another_seed_is_another_run(trained: Trained, handful: Split, plan: Plan) -> None:
    from training.train import fit

    other = fit(handful, replace(plan, epochs=1, seed=plan.seed + 1), verbose=False)
    assert other.history["loss"][0] != trained.history["loss"][0]


@pytest.mark.parametrize(("count", "held_out"), [(60_000, 5_000), (400, 40), (10, 1)])
def test_held_out_images_are_not_trained_on(count: int, held_out: int) -> None:
    from training.train import hold_out

    training, validation = hold_out(count)
    assert len(validation) == held_out
    assert sorted([*training, *validation]) == list(range(count))


def test_the_images_held_out_are_always_the_same() -> None:
    from training.train import hold_out

    assert np.array_equal(hold_out(400)[1], hold_out(400)[1])
