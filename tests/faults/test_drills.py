"""Each drill once: nothing accepted gets lost, or is answered twice or wrongly. `make faults` does it at length."""

import pytest

from tests.faults.drilling import DRILLS, run_drill
from tests.faults.pictures import Pictures, make_pictures

SEED = 1

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return make_pictures()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", DRILLS)
def test_every_accepted_image_is_answered_once_and_rightly(name: str, pictures: Pictures) -> None:
    outcome = run_drill(DRILLS[name], pictures, SEED, repetitions=1)
    assert outcome.images > 0
    assert outcome.clean, outcome
