from pathlib import Path

from tests.support.registries import DEFAULT
from tests.training.qa.reports import make_version
from training.qa.bounds import Bounds
from training.qa.checks import memory


def test_memory_above_the_bound_fails(model_dir: Path) -> None:
    # The memory of this large process must not count, and must not hide what loading takes.
    check = memory.check_memory(DEFAULT, "litert", 1, Bounds(memory_mib=1))
    assert check.measured is not None
    assert 1 < check.measured < 500
    assert not check.passed


def test_a_model_that_cannot_be_loaded_fails(tmp_path: Path) -> None:
    check = memory.check_memory(make_version(tmp_path, "cnn@1"), "litert", 1, Bounds())
    assert (check.passed, check.measured) == (False, None)
