from types import SimpleNamespace

import numpy as np
import pytest

from shared.images import Images
from training.qa.bounds import Bounds
from training.qa.checks import speed
from worker.engine.calibrate import Calibration

IMAGES = np.zeros((5_000, 28, 28), np.uint8)


class SimulatedEngine:
    """An engine that advances a simulated clock by the time that its batches take."""

    best_batch_images = 16

    def __init__(self, clock: SimpleNamespace, images_per_s: float) -> None:
        self.clock, self.images_per_s = clock, images_per_s
        self.calibration = Calibration({16: 16e3 / images_per_s}, 16)

    def predict(self, images: Images) -> None:
        self.clock.now_s += len(images) / self.images_per_s
        self.clock.order.append(self)


def test_engines_alternate_in_rounds_of_about_the_same_duration() -> None:
    clock = SimpleNamespace(now_s=0.0, order=[])
    slow, fast = SimulatedEngine(clock, 1_000), SimulatedEngine(clock, 8_000)
    rates = speed.measure_rates([slow, fast], IMAGES, lambda: clock.now_s)  # type: ignore[list-item]
    assert clock.order == [slow, fast] * speed.ROUNDS
    assert rates == [pytest.approx([1_000] * speed.ROUNDS), pytest.approx([8_000] * speed.ROUNDS)]
    assert clock.now_s == pytest.approx(2 * speed.ROUNDS * speed.ROUND_S, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "champion_rate", "limits", "passed", "bound"),
    [
        (850, 1_000, Bounds(), True, 800),
        (750, 1_000, Bounds(), False, 800),
        (50, 1_000, Bounds(throughput=None), True, None),
        (50, None, Bounds(), True, None),
    ],
)
def test_a_version_that_is_much_slower_than_the_champion_fails(
    rate: float,
    champion_rate: float | None,
    limits: Bounds,
    passed: bool,
    bound: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now_s=0.0, order=[])
    rates = [[rate] * 9] + ([[champion_rate] * 9] if champion_rate else [])
    monkeypatch.setattr(speed, "measure_rates", lambda engines, images: rates)
    champion = SimulatedEngine(clock, 1) if champion_rate else None
    check = speed.check_throughput(SimulatedEngine(clock, 1), champion, IMAGES, limits)  # type: ignore[arg-type]
    assert (check.passed, check.measured, check.bound, check.champion) == (passed, rate, bound, champion_rate)
