"""The network for numbers: its loss, and that strips and windows give the same answers."""

import itertools
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from api.images.number.strip import STEP_PX, Strip, windows_of
from shared.errors import ModelError
from shared.models.registry import load_version
from shared.shapes import GAP, OTHER, WINDOW_LABELS, WINDOW_OUTPUTS, WINDOW_SHAPE
from training.loop.numbers.strips import END, Strips, batches, distorted, read
from worker.engine import load_engine


def drawn(count: int, seed: int = 1) -> tuple[list[np.ndarray], np.ndarray]:
    """Return strips in which a bright bar is a 1, and a dark one a 0."""
    random = np.random.default_rng(seed)
    strips, signs = [], np.full((count, 12), END, np.uint8)
    for row in signs:
        own = random.integers(0, 2, random.integers(1, 4))
        strip = np.zeros((28, 40 + STEP_PX * (5 * len(own) - 1)), np.uint8)
        for at, sign in enumerate(own):
            strip[4:24, 30 + 20 * at : 36 + 20 * at] = 255 if sign else 120
        row[: len(own)] = own
        strips.append(strip)
    return strips, signs


def written(path: Path, count: int, seed: int = 1) -> Path:
    strips, signs = drawn(count, seed)
    np.savez(path, pixels=np.concatenate(strips, 1), widths=[strip.shape[1] for strip in strips], signs=signs)
    return path


@pytest.mark.slow
def test_the_loss_is_that_of_all_ways_to_read_the_signs() -> None:
    from training.loop.numbers import network

    logits = np.random.default_rng(3).normal(0, 1, (2, 4, WINDOW_OUTPUTS)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    signs = np.array([[7, 7, OTHER, -1, -1], [-1] * 5], np.int32)
    for row, own in enumerate(((7, 7, OTHER), ())):
        ways = (
            way
            for way in itertools.product((GAP, 7, OTHER), repeat=4)
            if tuple(each for each in way if each != GAP) == own
        )
        total = sum(float(np.prod(shares[row, np.arange(4), way])) for way in ways)
        assert float(network.loss(signs, logits)[row]) == pytest.approx(-np.log(total), rel=1e-4)


@pytest.mark.slow
def test_a_window_gets_the_same_answer_in_a_strip_and_alone() -> None:
    import keras

    from training.loop.numbers import network

    keras.utils.set_random_seed(1)
    strips = network.strip_network()
    pixels = np.random.default_rng(2).integers(0, 256, (28, 40 + 5 * STEP_PX)).astype(np.uint8)
    whole = np.asarray(strips(pixels[None, ..., None].astype(np.float32), training=False))[0]
    windows = windows_of(Strip(pixels, 6, np.zeros(0)))
    alone = np.asarray(network.window_network(strips)(windows[..., None].astype(np.float32), training=False))
    expected = np.exp(whole) / np.exp(whole).sum(1, keepdims=True)
    assert alone == pytest.approx(expected, abs=1e-5)


def test_batches_have_all_strips_with_their_signs(tmp_path: Path) -> None:
    strips = read([written(tmp_path / "a.npz", 50), written(tmp_path / "b.npz", 30, 2)])
    found = [(pixels, signs) for pixels, signs in batches(strips, np.random.default_rng(1))]
    assert sum(len(pixels) for pixels, _ in found) == 80
    for pixels, signs in found:
        assert pixels.shape[1:] == (28, pixels.shape[2], 1)
        wide = [np.flatnonzero(strip.max(0)).max() // 20 for strip in pixels[..., 0]]
        assert np.corrcoef(wide, (signs >= 0).sum(1))[0, 1] > 0.8 or len(pixels) < 5


@pytest.mark.slow
def test_a_line_is_read_from_all_its_views() -> None:
    from training.loop.numbers import confidence

    class Answers:
        """Answers a 1 or a 7 for the first window of a strip, according to its first pixel, and then gaps."""

        def __call__(self, pixels: np.ndarray, *, training: bool) -> np.ndarray:
            logits = np.zeros((len(pixels), (pixels.shape[2] - 40) // STEP_PX + 1, WINDOW_OUTPUTS), np.float32)
            logits[:, :, GAP] = 12
            for row, strip in zip(logits, pixels, strict=True):
                row[0, GAP], row[0, 1], row[0, 7] = 0, 12, 2 * strip[0, 0, 0]
            return logits

    strips = [np.full((28, 60), level, np.uint8) for level in (7, 0, 6, 4)]
    signs = np.array([[1, -1]] * 2 + [[7, -1]] * 2, np.int32)
    found = confidence.readings_of(confidence.lines_of(Answers(), Strips(strips, signs, views=2)), 1.0)
    assert found.right.tolist() == [True, False]
    assert 0.5 < found.confidences[1] < found.confidences[0] < 1


@pytest.mark.slow
def test_the_temperature_makes_the_answers_as_sure_as_they_are_right() -> None:
    from training.loop.numbers import confidence

    sure = np.zeros((1, WINDOW_OUTPUTS), np.float32)
    sure[0, 7] = 6
    right, wrong = np.array([7], np.int32), np.array([3], np.int32)
    often_right = confidence.Lines([[sure]] * 100, [right] * 99 + [wrong])
    often_wrong = confidence.Lines([[sure]] * 100, [right] * 60 + [wrong] * 40)
    assert confidence.temperature_of(often_right) < 1.3 < confidence.temperature_of(often_wrong)


@pytest.mark.slow
def test_the_threshold_is_the_lowest_that_accepts_few_wrong_numbers() -> None:
    from training.loop.numbers import confidence
    from training.loop.numbers.confidence import Readings

    readings = Readings(np.array([0.99, 0.7, 0.8, 0.9, 0.6]), np.array([True, False, True, True, False]))
    assert confidence.threshold_of(readings, 0.0) == 0.701
    assert confidence.threshold_of(readings, 0.2) == 0.601
    assert confidence.threshold_of(readings, 0.4) == 0.001
    assert confidence.counts_of(readings, 0.701) == {"numbers": 5, "right": 3, "wrong": 0, "unsure": 2}
    with pytest.raises(ModelError, match="with any threshold"):
        confidence.threshold_of(Readings(np.array([1.0]), np.array([False])), 0.0)


def test_a_distorted_strip_keeps_half_a_window_of_margin() -> None:
    (strip, *_), _ = drawn(1)
    for seed in range(20):
        other = distorted(strip, np.random.default_rng(seed))
        assert other.dtype == np.uint8
        inked = np.flatnonzero(other.max(0) > 60)
        assert abs(inked[0] - np.flatnonzero(strip.max(0))[0]) < 8


@pytest.mark.slow
@pytest.mark.long
def test_a_trained_version_answers_its_windows(tmp_path: Path) -> None:
    from training.loop.numbers import command

    options = Namespace(
        strips=[written(tmp_path / "a.npz", 400)],
        held_out=written(tmp_path / "h.npz", 100, 5),
        start=None,
        seconds=2,
        learning_rate=2e-3,
        seed=1,
        weights=tmp_path / "number.keras",
        version=1,
        max_wrong=1.0,
        min_right=0.0,
        models_dir=tmp_path / "models",
        force=False,
    )
    command.run(options, "python -m training number")
    version = load_version(tmp_path / "models", "number@1")
    engine = load_engine("litert", version.directory, threads=1)
    assert (engine.spec.shape, engine.spec.labels) == (WINDOW_SHAPE, WINDOW_LABELS)
    assert isinstance(read_as := version.card["training"]["held_out_numbers"], dict)
    assert read_as["numbers"] == 100 == read_as["right"] + read_as["wrong"] + read_as["unsure"]
    options.min_right, options.version, options.seconds, options.start = 1.0, 2, 0, options.weights
    with pytest.raises(ModelError, match="of 100 held-out numbers are read"):
        command.run(options, "python -m training number")
    answers = engine.predict(windows_of(Strip(drawn(1)[0][0], 1, np.zeros(0))))
    assert answers.scores is not None
