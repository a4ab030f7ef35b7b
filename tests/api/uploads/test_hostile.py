"""Nothing that a client sends is answered with 5xx, ends a process, grows it, or harms a neighbour."""

import pytest

from shared.data.dataset import Split
from tests.support.system import System
from tools.fuzz.hostile import all_cases, try_all


@pytest.mark.slow
def test_the_corpus_is_large_and_each_of_its_cases_is_small_and_has_its_own_name() -> None:
    cases = list(all_cases())
    assert len(cases) >= 150
    assert len({(case.group, case.name) for case in cases}) == len(cases)
    assert max(len(case.body) for case in cases) <= 32 << 20


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_hostile_body_is_answered_with_5xx_or_harms_anyone(system: System, test_set: Split) -> None:
    report = try_all(system, test_set)
    print("\n".join(report.lines()))
    assert report.passed, "\n".join(report.lines())
