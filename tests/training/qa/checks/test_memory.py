from pathlib import Path

from tests.support.registries import DEFAULT
from tests.training.qa.reports import make_version
from training.qa.bounds import Bounds
from training.qa.checks import memory


def test_loading_a_model_takes_memory_and_is_held_to_the_budget(model_dir: Path) -> None:
    version = DEFAULT
    # This process is larger by far: what a child inherits of that must not count, nor hide what loading takes.
    check = memory.check_memory(version, "litert", 1, Bounds(memory_mib=1))
    assert check.measured is not None
    assert 1 < check.measured < 500
    assert not check.passed


def test_a_model_that_will_not_load_fails(tmp_path: Path) -> None:
    check = memory.check_memory(make_version(tmp_path, "cnn@1"), "litert", 1, Bounds())
    assert (check.passed, check.measured) == (False, None)
