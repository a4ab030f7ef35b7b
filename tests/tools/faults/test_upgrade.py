"""The steps of the upgrade drill, and the code of the previous release."""

from itertools import islice
from pathlib import Path

import pytest

from tools.faults.drills.upgrade import steps
from tools.faults.system.releases import PREVIOUS_VARIABLE, extract_previous

PROCESSES = ("api-1", "api-2", "worker-1", "worker-2")


def test_eight_steps_visit_every_combination_of_releases_and_eight_more_lead_back() -> None:
    upgraded: set[str] = set()
    seen = {(0, 0)}
    for number, (name, is_new) in enumerate(islice(steps(), 32), start=1):
        assert name in PROCESSES
        assert is_new != (name in upgraded)  # each step changes one process
        upgraded = upgraded | {name} if is_new else upgraded - {name}
        seen.add((sum(name.startswith("api") for name in upgraded), sum(name.startswith("w") for name in upgraded)))
        if number == 8:
            assert seen == {(apis, workers) for apis in (0, 1, 2) for workers in (0, 1, 2)}
            assert upgraded == set(PROCESSES)
        if number % 16 == 0:
            assert not upgraded


def test_a_clone_without_the_previous_release_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PREVIOUS_VARIABLE, "v0.0.1-of-nobody")
    with pytest.raises(SystemExit, match=r"v0.0.1-of-nobody is not in this clone .*git fetch --unshallow --tags"):
        extract_previous(tmp_path)
