from __future__ import annotations

from dataclasses import replace
from pathlib import Path
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


def test_a_run_that_was_cut_short_goes_on_to_the_same_end(
    trained: Trained, handful: Split, plan: Plan, tmp_path: Path
) -> None:
    import keras

    from training.checkpoint import open_checkpoint
    from training.train import fit

    class PowerCut(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    first = open_checkpoint(tmp_path, {}, resume=False)
    with pytest.raises(KeyboardInterrupt):
        fit(handful, plan, checkpoint=first, verbose=False, also=[PowerCut()])
    second = open_checkpoint(tmp_path, {}, resume=True)
    assert second.epochs_done == 3
    rest = fit(handful, plan, checkpoint=second, verbose=False)
    assert len(rest.history["loss"]) == plan.epochs - 3
    pairs = zip(rest.model.get_weights(), trained.model.get_weights(), strict=True)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_tuning_starts_from_what_was_trained(trained: Trained, handful: Split, plan: Plan) -> None:
    from training.train import fit

    gentle = replace(plan, epochs=1, distortion=0.5, learning_rate=1e-4)
    tuned = fit(handful, gentle, start=trained.model, verbose=False)
    assert tuned.history["loss"][0] < trained.history["loss"][3]
    assert not np.array_equal(tuned.model.get_weights()[0], trained.model.get_weights()[0])
