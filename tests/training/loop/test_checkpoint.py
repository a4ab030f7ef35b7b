import json
from pathlib import Path

import pytest

from shared.errors import ModelError

pytestmark = pytest.mark.slow


def test_a_checkpoint_of_another_run_is_refused_and_described(tmp_path: Path) -> None:
    from training.loop.checkpoint import open_checkpoint

    open_checkpoint(tmp_path / "c", {"seed": 1}, resume=True)
    with pytest.raises(ModelError, match=r"belongs to another run, \{'seed': 1\}"):
        open_checkpoint(tmp_path / "c", {"seed": 2}, resume=True)


def test_without_resume_the_run_starts_again(tmp_path: Path) -> None:
    from training.loop.checkpoint import open_checkpoint

    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "training_metadata.json").write_text(json.dumps({"epoch": 3}))
    (tmp_path / "run.json").write_text(json.dumps({"seed": 1}))
    assert open_checkpoint(tmp_path, {"seed": 1}, resume=True).epochs_done == 3
    assert open_checkpoint(tmp_path, {"seed": 1}, resume=False).epochs_done == 0


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    from training.loop.checkpoint import open_checkpoint

    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        open_checkpoint(tmp_path, {}, resume=True)
