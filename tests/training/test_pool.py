from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.dataset import Split
from shared.errors import ModelError

if TYPE_CHECKING:
    from training.train import Plan, Trained

pytestmark = pytest.mark.slow
RECORD = {"dataset": "sample", "images": 100}


def test_a_pool_has_distorted_images_and_what_the_teachers_say_of_them(
    trained: Trained, handful: Split, tmp_path: Path
) -> None:
    from training import architecture, pool

    teachers = [trained.model, architecture.build("cnn-small")]
    pool.make(handful, teachers, 3, 5, tmp_path, RECORD)
    made = pool.load(tmp_path, handful)
    assert (made.images.shape, made.images.dtype.name) == ((3, 90, 28, 28), "uint8")
    assert len(np.unique(made.images, axis=0)) == 3
    pixels = made.images[1, ..., None].astype(np.float32)
    assert np.allclose(made.answers[1], np.mean([teacher(pixels) for teacher in teachers], axis=0), atol=1e-5)


def test_the_same_seed_makes_the_same_pool(trained: Trained, handful: Split, tmp_path: Path) -> None:
    from training import pool

    for name in ("a", "b"):
        pool.make(handful, [trained.model], 2, 5, tmp_path / name, RECORD)
    first, second = (pool.load(tmp_path / name, handful).images for name in ("a", "b"))
    assert np.array_equal(first, second)


def test_a_pool_of_other_images_is_refused(trained: Trained, handful: Split, tmp_path: Path) -> None:
    from training import pool

    pool.make(handful, [trained.model], 1, 5, tmp_path, RECORD)
    with pytest.raises(ModelError, match="of 100 images of sample, and the training has 50"):
        pool.load(tmp_path, Split("sample", handful.images[:50], handful.labels[:50]))


def test_half_a_pool_is_none(handful: Split, tmp_path: Path) -> None:
    from training import pool

    with pytest.raises(ModelError, match="is no pool"):
        pool.load(tmp_path, handful)


def test_a_student_learns_from_its_teacher(trained: Trained, handful: Split, plan: Plan, tmp_path: Path) -> None:
    from training import pool
    from training.train import fit

    pool.make(handful, [trained.model], 2, 5, tmp_path, RECORD)
    student = fit(handful, replace(plan, network="cnn-small"), pool=pool.load(tmp_path, handful), verbose=False)
    assert student.history["loss"][-1] < student.history["loss"][0]
    assert student.model.name == "cnn-small"
