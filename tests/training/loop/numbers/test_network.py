"""The network for numbers: its loss, and that strips and windows give the same answers."""

import itertools
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from api.images.number.strip import STEP_PX, Strip, windows_of
from shared.models.registry import load_version
from shared.shapes import GAP, OTHER, WINDOW_LABELS, WINDOW_OUTPUTS, WINDOW_SHAPE
from training.loop.numbers.strips import END, batches, distorted, read
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


def test_a_distorted_strip_keeps_half_a_window_of_margin() -> None:
    (strip, *_), _ = drawn(1)
    for seed in range(20):
        other = distorted(strip, np.random.default_rng(seed))
        assert other.dtype == np.uint8
        inked = np.flatnonzero(other.max(0) > 60)
        assert abs(inked[0] - np.flatnonzero(strip.max(0))[0]) < 8


@pytest.mark.slow
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
        threshold=0.7,
        models_dir=tmp_path / "models",
        force=False,
    )
    command.run(options, "python -m training number")
    version = load_version(tmp_path / "models", "number@1")
    engine = load_engine("litert", version.directory, threads=1)
    assert (engine.spec.shape, engine.spec.labels) == (WINDOW_SHAPE, WINDOW_LABELS)
    assert isinstance(right := version.card["training"]["held_out_strips_right"], float)
    assert 0 <= right <= 1
    answers = engine.predict(windows_of(Strip(drawn(1)[0][0], 1, np.zeros(0))))
    assert answers.scores is not None
