"""No hostile body causes a 5xx, ends a process, makes it grow, or affects other requests."""

import itertools
import math

import pytest

from shared.data.dataset import Split
from tests.support.system import System
from tests.support.thoroughness import WIDE
from tools.fuzz import costs
from tools.fuzz.hostile import all_cases, try_all


@pytest.mark.slow
@pytest.mark.long
def test_the_corpus_is_large_and_each_of_its_cases_is_small_and_has_its_own_name() -> None:
    cases = list(all_cases())
    assert len(cases) >= 150
    assert len({(case.group, case.name) for case in cases}) == len(cases)
    assert max(len(case.body) for case in cases) <= 32 << 20


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_hostile_body_causes_a_5xx_or_affects_other_requests(
    system: System, test_set: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "MAX_STALL_MS", math.inf)  # `make hostile` judges times, on a quiet machine
    report = try_all(system, test_set, itertools.islice(all_cases(), 0, None, 1 if WIDE else 10))
    print("\n".join(report.lines()))
    assert report.passed, "\n".join(report.lines())
