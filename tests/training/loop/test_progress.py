from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.train import Plan, Trained

pytestmark = pytest.mark.slow


def test_each_epoch_ends_with_a_line_and_the_remaining_time_falls_to_0(
    repeated: tuple[Trained, list[str], Path], plan: Plan
) -> None:
    from training.loop.progress import LINE_INTERVAL_S

    progress = [json.loads(line) for line in repeated[1]]
    ends = [each for each in progress if each["val_accuracy"] is not None]
    assert [each["epoch"] for each in ends] == list(range(1, plan.epochs + 1))
    assert all(each["step"] == each["steps"] == 3 for each in ends)
    assert all(0 < each["loss"] < 10 and 0 <= each["accuracy"] <= 1 for each in ends)
    assert ends[0]["eta_s"] > ends[-1]["eta_s"] == 0
    assert LINE_INTERVAL_S == 2, "the clock of this run advances by a second per reading"
    assert len(progress) > len(ends), "there are lines within an epoch"
