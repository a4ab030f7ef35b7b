from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.data.dataset import Split
from training.__main__ import make_parser

if TYPE_CHECKING:
    from training.train import Trained

pytestmark = pytest.mark.slow


def test_the_default_view_is_the_image(handful: Split) -> None:
    from training.combining.ensemble import View

    flat = handful.images.reshape(100, -1).astype(np.float32)
    assert np.allclose(flat @ View().matrix, flat)


def test_a_view_can_rotate_the_image_by_90_degrees(handful: Split) -> None:
    from training.combining.ensemble import View

    flat = handful.images.reshape(100, -1).astype(np.float32)
    turned = (flat @ View(angle_deg=90).matrix).reshape(-1, 28, 28)
    assert np.allclose(turned, np.rot90(handful.images, axes=(1, 2)), atol=1e-2)


def test_a_view_at_half_the_scale_has_a_quarter_of_the_area(handful: Split) -> None:
    from training.combining.ensemble import View

    square = np.zeros((28, 28), np.float32)
    square[6:22, 6:22] = 1
    assert (square.ravel() @ View(scale=0.5).matrix).sum() == pytest.approx(square.sum() / 4, rel=0.05)


def test_the_answers_of_all_members_to_all_views_are_averaged(trained: Trained, handful: Split) -> None:
    from training import architecture
    from training.combining.ensemble import View, build

    members, views = [trained.model, architecture.build("tiny")], [View(), View(angle_deg=8), View(scale=1.1)]
    pixels = handful.images[..., None].astype(np.float32)
    seen = [(pixels.reshape(100, -1) @ view.matrix).reshape(pixels.shape) for view in views]
    expected = np.mean([member(view) for member in members for view in seen], axis=0)
    assert np.allclose(build(members, views)(pixels), expected, atol=1e-5)


def test_a_member_that_does_not_know_none_of_the_labels_leaves_that_to_the_others(
    trained: Trained, handful: Split
) -> None:
    from training import architecture
    from training.combining.ensemble import View, build

    knowing = architecture.build("tiny", none_label=True)
    pixels = handful.images[..., None].astype(np.float32)
    first, second = np.asarray(knowing(pixels)), np.asarray(trained.model(pixels))
    answers = np.asarray(build([knowing, trained.model], [View()], [1.0, 0.5])(pixels))
    assert np.allclose(answers[:, 10], first[:, 10], atol=1e-5)
    expected = (first[:, :10] + 0.5 * second * (1 - first[:, 10:])) / 1.5
    assert np.allclose(answers[:, :10], expected, atol=1e-5)


def test_the_odds_of_none_of_the_labels_can_be_corrected(handful: Split) -> None:
    from training import architecture

    model = architecture.build("tiny", none_label=True)
    pixels = handful.images[..., None].astype(np.float32)
    before = np.asarray(model(pixels))
    architecture.weigh_none(model, 0.1)
    after = np.asarray(model(pixels))
    odds = [each[:, 10] / (1 - each[:, 10]) for each in (before, after)]
    assert np.allclose(odds[1], 0.1 * odds[0], rtol=1e-3)


def test_an_exported_ensemble_answers_like_in_keras(trained: Trained, handful: Split, tmp_path: Path) -> None:
    from training import weights
    from training.combining import ensemble
    from training.publishing.litert import convert
    from worker.engine.litert import LiteRTRuntime

    weights.save(trained.model, tmp_path / "one.keras", {"seed": 7})
    arguments = f"ensemble --member {tmp_path}/one.keras --member {tmp_path}/one.keras --weights {tmp_path}/all.keras"
    ensemble.run(make_parser().parse_args(arguments.split()), "the command")
    model, record = weights.load(tmp_path / "all.keras")
    assert [member["training"] for member in record["members"]] == [{"seed": 7}] * 2
    (tmp_path / "model.tflite").write_bytes(convert(model))
    runtime = LiteRTRuntime(tmp_path / "model.tflite", threads=1)
    for count in (1, 5, 64):
        answers = runtime.run(handful.images[:count])
        assert np.allclose(answers, model(handful.images[:count, ..., None].astype(np.float32)), atol=1e-5)
