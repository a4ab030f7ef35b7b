import json
from typing import TYPE_CHECKING

import pytest

from shared.data.dataset import Split

if TYPE_CHECKING:
    from training.train import Plan

pytestmark = pytest.mark.slow


def test_a_line_of_json_ends_each_epoch_and_the_time_left_falls_to_nothing(handful: Split, plan: "Plan") -> None:
    from training.progress import EVERY_S, JsonLines
    from training.train import fit

    lines: list[str] = []
    now_s = iter(range(10_000))
    callback = JsonLines(lines.append, lambda: float(next(now_s)))
    fit(handful, plan, also=[callback], verbose=False)
    told = [json.loads(line) for line in lines]
    ends = [each for each in told if each["val_accuracy"] is not None]
    assert [each["epoch"] for each in ends] == list(range(1, plan.epochs + 1))
    assert all(each["step"] == each["steps"] == 3 for each in ends)
    assert all(0 < each["loss"] < 10 and 0 <= each["accuracy"] <= 1 for each in ends)
    assert ends[0]["eta_s"] > ends[-1]["eta_s"] == 0
    assert EVERY_S == 2, "the clock of this test goes on by a second at each question"
    assert len(told) > len(ends), "and within an epoch there is one every few seconds"
