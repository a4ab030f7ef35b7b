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

    source = Source(split, *font_files(None, held_out=False), held_out=False)
    for kind in SHARES:
        first, label = draw(kind, source, np.random.default_rng(5))
        again, _ = draw(kind, source, np.random.default_rng(5))
        assert first.shape == (28, 28)
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)
        assert (label < NONE) == (kind in ("type", "pen", "mnist", "display"))


@pytest.mark.parametrize("held_out", [False, True])
def test_every_kind_of_row_becomes_strips_with_its_signs(split: Split, held_out: bool) -> None:
    from tools.training_pictures import rows, strips
    from tools.training_pictures.digits import written
    from tools.training_pictures.fonts import font_files
    from tools.training_pictures.source import Source

    rng = np.random.default_rng(1)
    for kind in strips.KINDS:
        lines = [rows.line_of_row([written(each, rng) for each in (4, 0, 8)], kind, rng) for _ in range(4)]
        whole = [line for line in lines if line is not None]
        assert whole
        assert all(line.soft.shape == line.groups.shape for line in whole)
    source = Source(split, *font_files(None, held_out=held_out), held_out=held_out)
    views, signs = strips.drawn_number(source, np.random.default_rng(3))
    again, _ = strips.drawn_number(source, np.random.default_rng(3))
    assert [each.shape[0] for each in views] == [28, 28]
    assert views[0].shape[1] > views[1].shape[1]
    assert all(np.array_equal(one, other) for one, other in zip(views, again, strict=True))
    assert 0 < len(signs) <= strips.MAX_SIGNS


def test_a_row_of_which_a_sign_was_not_found_is_left_out() -> None:
    from api.images.number.line import line_in
    from tools.training_pictures.rows import Row, is_whole

    ink = np.zeros((60, 120), np.float32)
    owners = np.zeros(ink.shape, np.uint8)
    for owner, left in ((1, 20), (2, 60)):
        ink[20:50, left : left + 10] = 1
        owners[20:50, left : left + 10] = owner
    assert is_whole(line_in(ink, 0.4), Row(ink, owners, 30), 2)
    lost, rule = ink.copy(), ink.copy()
    lost[20:50, 60:70] = 0
    rule[18:52, 84:88] = 1
    assert not is_whole(line_in(lost, 0.4), Row(ink, owners, 30), 2)
    assert not is_whole(line_in(rule, 0.4), Row(rule, owners, 30), 2)


def test_pens_for_choosing_thresholds_are_not_trained_on() -> None:
    from tools.training_pictures.hands import HAND, HELD_OUT_HAND

    assert list(HELD_OUT_HAND) == list(HAND)
    assert not any(set(HAND[digit]) & set(HELD_OUT_HAND[digit]) for digit in HAND)


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


def test_what_fit_finds_on_a_sheet_has_to_be_as_alike_as_asked() -> None:
    from tools.training_pictures import shapes, sheets

    coin = shapes.coin(np.random.default_rng(1))
    alike, any_part = (sheets.on_sheet(coin, np.random.default_rng(1), limit) for limit in (1.01, -1))
    assert alike is None
    assert any_part is not None


def test_every_kind_of_judged_picture_is_drawn(split: Split) -> None:
    from tools.abstaining import group_f, others

    for kind, draw in others.KINDS.items():
        drawn = draw(Random(kind), split)
        assert np.asarray(drawn).max() > 0 or kind == "blanks"
    for kind in group_f.KINDS:
        data, digit = group_f.picture(kind, Random(kind))
        assert data[:2] in (b"\xff\xd8", b"\x89P")
        assert 0 <= digit <= 9


def test_the_curve_counts_what_each_threshold_loses_and_what_it_accepts_wrongly() -> None:
    from shared.answers import Answers
    from tools.abstaining.curve import rows
    from training.data.label_errors import CORRECTED

    split = Split("drawn", np.zeros((4, 28, 28), np.uint8), np.array([0, 1, 0, 1], np.uint8))
    answers = Answers(np.array([[0.9, 0.1]] * 4, np.float32), np.array([0.9, 0.8, 0.4, 0.2], np.float32))
    assert rows(answers, split, [0.3, 0.85]) == [(0.3, 0.25, 1, 0), (0.85, 0.75, 0, 0)]
    assert rows(answers, split, [0.3], positions=[5, min(CORRECTED), 6, 7]) == [(0.3, 0.25, 1, 1)]
    with pytest.raises(ValueError, match="without scores"):
        rows(Answers(answers.probabilities), split, [0.5])


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
