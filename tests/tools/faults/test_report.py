"""The table of the drills."""

from tools.faults.account import Tally
from tools.faults.drills.run import Outcome
from tools.faults.record import Times
from tools.faults.report import report, spread, to_json_content
from tools.faults.system.service import SETTINGS


def outcome(lost: int = 0, times: int = 3) -> Outcome:
    tally = Tally(lost=lost, notes=["j1: 2 lost"] if lost else [])
    measured = [Times(0.5 * number, 1.0 * number, 0.25) for number in range(1, times + 1)]
    return Outcome(
        "kill-worker",
        "the kill",
        3,
        images=1234,
        tally=tally,
        times=measured,
        exits={"worker -9": 3},
        peak_mib={"api": 130, "worker": 205},
    )


def test_a_drill_is_a_row_with_median_and_worst() -> None:
    text = report([outcome()], 7, SETTINGS)
    assert text.startswith("Faults with LEASE_MS=1000, WORKER_TTL_S=3, ENGINE_STALL_S=2, two workers, seed 7.")
    row = (
        "| kill-worker | 3 | 1,234 | 0 | 0 | 0 | 0 | 1.00 / 1.50 | the kill | 2.00 / 3.00 | 0.25 / 0.25 "
        "| 3 × worker -9 | api 130, worker 205 |"
    )
    assert row in text.splitlines()


def test_images_for_another_model_are_counted_apart() -> None:
    mixed = outcome()
    mixed.also, mixed.also_images = "person@1", 321
    assert "| 1,234, 321 for person@1 |" in report([mixed], 1, SETTINGS)


def test_the_images_behind_a_count_are_listed() -> None:
    assert "kill-worker: j1: 2 lost" in report([outcome(lost=2)], 1, SETTINGS)


def test_a_repetition_without_recovery_is_listed_and_is_not_clean() -> None:
    assert outcome().clean
    assert not outcome(times=2).clean
    assert not outcome(lost=1).clean
    assert spread([1.0, 2.0], repetitions=3) == "1.50 / never"
    assert spread([], repetitions=3) == "never"


def test_the_json_has_every_repetition() -> None:
    content = to_json_content([outcome()], 1, SETTINGS)
    assert [times["again_s"] for times in content["drills"][0]["times"]] == [0.5, 1.0, 1.5]
    assert content["settings"]["LEASE_MS"] == "1000"
