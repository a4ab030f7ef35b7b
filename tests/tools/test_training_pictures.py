"""The pictures for training and for judging: every kind can be drawn, repeatably, with the right label."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from shared.data.dataset import Split, load_split
from shared.errors import DatasetError
from training.data import pictures

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split() -> Split:
    return load_split("train", None)


def test_every_kind_of_training_picture_is_drawn_repeatably(split: Split) -> None:
    from tools.training_pictures.__main__ import NONE, SHARES, draw
    from tools.training_pictures.fonts import font_files
    from tools.training_pictures.source import Source

    source = Source(split, *font_files(None, held_out=False))
    for kind in SHARES:
        first, label = draw(kind, source, np.random.default_rng(5))
        again, _ = draw(kind, source, np.random.default_rng(5))
        assert first.shape == (28, 28)
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)
        assert (label < NONE) == (kind in ("type", "pen", "mnist", "display"))


def test_fonts_for_choosing_thresholds_are_not_trained_on() -> None:
    from tools.training_pictures.fonts import font_files

    trained, held_out = (set(font_files(None, held_out=part)[0]) for part in (False, True))
    assert trained
    assert held_out
    assert not trained & held_out


def test_the_judge_uses_fonts_of_its_own() -> None:
    from tools.abstaining import others
    from tools.training_pictures import fonts

    assert not set(others.FONTS) & set(fonts.PACKAGES)
    assert len(others.font_files()) > 10


def test_every_kind_of_judged_picture_is_drawn(split: Split) -> None:
    from tools.abstaining import group_f, others

    for kind, draw in others.KINDS.items():
        drawn = draw(Random(kind), split)
        assert np.asarray(drawn).max() > 0 or kind == "blanks"
    for kind in group_f.KINDS:
        data, digit = group_f.picture(kind, Random(kind))
        assert data[:2] in (b"\xff\xd8", b"\x89P")
        assert 0 <= digit <= 9


def test_a_file_that_holds_no_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    with pytest.raises(DatasetError, match="is no file of"):
        pictures.read(path)
    np.savez(path, images=np.zeros((2, 28, 28), np.float32), labels=np.zeros(2, np.uint8))
    with pytest.raises(DatasetError, match="float32"):
        pictures.read(path)
    np.savez(path, images=np.zeros((2, 28, 28), np.uint8), labels=np.full(2, 11, np.uint8))
    with pytest.raises(DatasetError, match="label 11"):
        pictures.read(path)
    np.savez(path, images=np.zeros((2, 28, 28), np.uint8), labels=np.array([3, pictures.NONE], np.uint8))
    assert pictures.read(path).labels.tolist() == [3, 10]
