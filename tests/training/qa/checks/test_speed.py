from types import SimpleNamespace

import numpy as np
import pytest

from shared.contract.model_spec import spec_of
from shared.images import Images
from training.qa.bounds import Bounds
from training.qa.checks import speed
from worker.engine import Engine
from worker.engine.calibrate import Calibration
from worker.engine.stages.network import Network

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


class Ticking:
    """A runtime that advances a simulated clock by a number of milliseconds per run."""

    kind = "litert"

    def __init__(self, clock: SimpleNamespace, ms: float) -> None:
        self.clock, self.ms = clock, ms

    def run(self, images: Images) -> np.ndarray:
        self.clock.now_s += self.ms / 1e3
        return np.full((len(images), 10), 0.1, np.float32)


@pytest.mark.parametrize(("slow_ms", "passed"), [(15.0, True), (25.0, False)])
def test_the_worst_case_is_an_image_that_visits_all_stages(slow_ms: float, passed: bool) -> None:
    clock = SimpleNamespace(now_s=0.0)
    spec = spec_of({"stages": [{"file": "model.tflite", "accept_from": 0.05}, {"file": "stage-2.tflite"}]})
    sizes = Calibration({1: 1.0, 4: 2.0}, 4)
    networks = [Network(Ticking(clock, ms), sizes, 10) for ms in (1.0, slow_ms)]  # type: ignore[arg-type]
    check = speed.check_worst_case(Engine(networks, sizes, spec), IMAGES[:1], lambda: clock.now_s)
    assert check.passed == passed
    assert check.measured == pytest.approx(1 + slow_ms)
    assert "a batch of 4 such images takes 4 ms" in check.sentence
