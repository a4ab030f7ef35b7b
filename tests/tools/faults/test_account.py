"""The account itself: what is lost, answered twice or wrong is counted, and nothing else."""

from typing import Any

import numpy as np
import pytest

from tools.faults.account import MAX_NOTES, Oracle, Tally, compare, fingerprints, judge, lost

EXPECTED = np.eye(10, dtype=np.float32)
ORACLE = Oracle(EXPECTED, must_fail={9: "poison"})
NO_COUNTS = {"done": 0, "unsure": 0, "failed": 0, "expired": 0, "cancelled": 0}


def done(index: int, number: int) -> dict[str, Any]:
    probabilities = EXPECTED[number].tolist()
    return {"index": index, "state": "done", "prediction": number, "probabilities": probabilities, "error": None}


def failed(index: int, reason: str) -> dict[str, Any]:
    return {"index": index, "state": "failed", "prediction": None, "probabilities": None, "error": reason}


def judged(numbers: list[int], items: list[dict[str, Any]], **counts: int) -> tuple[int, int, int]:
    """Return (lost, duplicated, wrong). The counts are those of the items by default."""
    states = [item["state"] for item in items]
    given = counts or {state: states.count(state) for state in NO_COUNTS}
    tally = judge("j1", numbers, NO_COUNTS | given, items, ORACLE)
    return tally.lost, tally.duplicated, tally.wrong


SWAPPED = done(0, 3) | {"probabilities": [0.05, 0, 0, 0.95, 0, 0, 0, 0, 0, 0]}
NOT_FINITE = done(0, 3) | {"probabilities": [float("nan")] * 10}


@pytest.mark.parametrize(
    ("numbers", "items", "counts", "expected"),
    [
        pytest.param([3, 3, 7], [done(0, 3), done(1, 3), done(2, 7)], {}, (0, 0, 0), id="correct"),
        pytest.param([3, 7], [done(1, 7), done(0, 3)], {}, (0, 0, 0), id="items in another order"),
        pytest.param([3, 7], [done(0, 3)], {}, (1, 0, 0), id="an image without an item"),
        pytest.param([3, 7], [done(0, 3), done(1, 7) | {"state": "queued"}], {}, (1, 0, 0), id="an item in progress"),
        pytest.param([3, 7], [done(0, 3), done(1, 7), done(1, 7)], {"done": 2}, (0, 1, 0), id="an index twice"),
        pytest.param([3], [done(0, 3), done(1, 3)], {"done": 1}, (0, 1, 0), id="an index beyond the images"),
        pytest.param([3, 7], [done(0, 3), done(1, 7)], {"done": 4}, (0, 2, 0), id="counts over the total"),
        pytest.param([3, 7], [done(0, 3), done(1, 7)], {"done": 1, "failed": 1}, (0, 0, 1), id="other counts"),
        pytest.param([3, 7], [done(0, 7), done(1, 7)], {}, (0, 0, 1), id="another digit"),
        pytest.param([3], [SWAPPED], {}, (0, 0, 1), id="the answer of another image of the same digit"),
        pytest.param([3], [NOT_FINITE], {}, (0, 0, 1), id="probabilities that are not finite"),
        pytest.param([3], [failed(0, "why")], {}, (0, 0, 1), id="an honest image that failed"),
        pytest.param([3], [failed(0, "why") | {"state": "expired"}], {}, (0, 0, 1), id="an honest image that expired"),
        pytest.param([3], [failed(0, "why") | {"state": "cancelled"}], {}, (0, 0, 1), id="one that was cancelled"),
        pytest.param([9], [failed(0, "the model raised poison")], {}, (0, 0, 0), id="poison that failed as expected"),
        pytest.param([9], [failed(0, "something else")], {}, (0, 0, 1), id="poison that failed for another reason"),
        pytest.param([9], [failed(0, "")], {}, (0, 0, 1), id="poison that failed without a reason"),
        pytest.param([9], [done(0, 9)], {}, (0, 0, 1), id="poison that was answered"),
    ],
)
def test_lost_duplicated_and_wrong_answers_are_counted(
    numbers: list[int], items: list[dict[str, Any]], counts: dict[str, int], expected: tuple[int, int, int]
) -> None:
    assert judged(numbers, items, **counts) == expected


def test_an_answer_of_the_previous_release_is_right_if_its_workers_run_too() -> None:
    both = Oracle(EXPECTED, {}, previous=np.roll(EXPECTED, 1, axis=1) * np.float32(0.9))
    older = done(0, 3) | {"prediction": 4, "probabilities": (EXPECTED[4] * 0.9).tolist()}
    counts = NO_COUNTS | {"done": 1}
    assert judge("j1", [3], counts, [done(0, 3)], both).clean
    assert judge("j1", [3], counts, [older], both).clean
    assert judge("j1", [3], counts, [older], ORACLE).wrong == 1
    assert judge("j1", [5], counts, [older], both).wrong == 1


def test_what_changes_between_two_readings_was_answered_twice() -> None:
    first = fingerprints([done(0, 3), done(1, 7)])
    assert compare("j1", first, fingerprints([done(0, 3), done(1, 7)])).clean
    assert compare("j1", first, fingerprints([done(0, 3), done(1, 8)])).duplicated == 1
    assert compare("j1", first, fingerprints([done(0, 3), failed(1, "late")])).duplicated == 1
    assert compare("j1", first, fingerprints([done(0, 3)])).duplicated == 1


def test_tallies_add_up_and_keep_the_first_notes() -> None:
    total = Tally()
    for number in range(MAX_NOTES + 5):
        total.add(lost(f"j{number}", 2, "never final"))
    assert total.lost == 2 * (MAX_NOTES + 5)
    assert len(total.notes) == MAX_NOTES
    assert not total.clean
