"""The pictures of what is no digit, with which versions are judged."""

from random import Random

import numpy as np
import pytest

from shared.data.dataset import Split
from tools.abstaining import others


@pytest.mark.parametrize(("label", "gaps"), [(1, {40, 80}), (2, {0, 4, 15, 40, 80})])
def test_a_pair_that_is_one_digit_to_a_person_does_not_touch(
    label: int, gaps: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[0, 4:24, 12:16] = 255
    drawn = []
    monkeypatch.setattr(others, "_pile", lambda first, second, angle, gap: drawn.append(gap))
    random = Random(1)
    for _ in range(60):
        others.stacked(random, Split("test", bar, np.array([label], np.uint8)))
    assert set(drawn) == gaps
