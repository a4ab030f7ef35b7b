"""Each drill once: nothing accepted gets lost, or is answered twice or wrongly. `make faults` does it at length."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.training.importing.made import write_labels
from tools.faults.drills.bad_models import BAD_MODELS
from tools.faults.drills.clocks import CLOCKS
from tools.faults.drills.engine_faults import ENGINE_FAULTS
from tools.faults.drills.outages import OUTAGES
from tools.faults.drills.redis_faults import REDIS_FAULTS
from tools.faults.drills.rollbacks import ROLLBACKS
from tools.faults.drills.run import run_drill
from tools.faults.drills.scene import Drill, together
from tools.faults.drills.upgrade import UPGRADES
from tools.faults.load.images import Pictures, make_pictures
from tools.faults.load.other_model import read_other
from training.__main__ import main

SEED = 1

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return make_pictures()


@pytest.mark.timeout(300)
def test_a_rolling_upgrade_loses_nothing(pictures: Pictures) -> None:
    (drill,) = UPGRADES
    outcome = run_drill(drill, pictures, SEED, repetitions=8)
    assert outcome.images > 0
    assert outcome.clean, outcome
    assert not outcome.exits


@pytest.mark.timeout(300)
@pytest.mark.parametrize("drill", [*CLOCKS, *ROLLBACKS], ids=lambda drill: drill.name)
def test_wrong_clocks_and_lost_writes_never_look_like_success(drill: Drill, pictures: Pictures) -> None:
    outcome = run_drill(drill, pictures, SEED, repetitions=1)
    assert outcome.images > 0
    assert outcome.clean, outcome
    assert not outcome.exits


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "drills",
    [OUTAGES, REDIS_FAULTS, BAD_MODELS, ENGINE_FAULTS],
    ids=["outages", "redis-faults", "bad-models", "engine-faults"],
)
def test_every_accepted_image_is_answered_once_and_rightly(drills: Sequence[Drill], pictures: Pictures) -> None:
    outcome = run_drill(together("all", drills), pictures, SEED, repetitions=len(drills))
    assert outcome.images > 0
    assert outcome.clean, outcome


@pytest.mark.timeout(300)
def test_images_of_another_model_are_answered_once_and_rightly_too(
    pictures: Pictures, given_models: Path, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path / "labels.txt", "no person", "person")
    command = ["import", str(given_models / "vww_96_float.tflite"), "--name", "person", "--labels", str(labels)]
    assert main([*command, "--values", "0..1", "--models-dir", str(tmp_path)]) == 0
    person = read_other(tmp_path / "person" / "1")
    outcome = run_drill(together("all", OUTAGES), pictures, SEED, repetitions=len(OUTAGES), also=person)
    assert 0 < outcome.also_images < outcome.images
    assert outcome.clean, outcome
    assert outcome.peak_mib["api"] < 256, "it holds no more than the limits of uploads and lanes"
