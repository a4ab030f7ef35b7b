"""The account itself: what is lost, answered twice or wrong is counted, and nothing else."""

from typing import Any

import numpy as np
import pytest

from tools.faults.account import MAX_NOTES, Oracle, Tally, compare, fingerprints, judge, lost

EXPECTED = np.eye(10, dtype=np.float32)
ORACLE = Oracle(EXPECTED, must_fail={9: "poison"})
NO_COUNTS = {"done": 0, "failed": 0, "expired": 0, "cancelled": 0}


def done(index: int, number: int) -> dict[str, Any]:
    return {
        "index": index,
        "state": "done",
        "prediction": number,
        "probabilities": EXPECTED[number].tolist(),
        "error": None,
    }


def failed(index: int, reason: str) -> dict[str, Any]:
    return {"index": index, "state": "failed", "prediction": None, "probabilities": None, "error": reason}


def judged(numbers: list[int], items: list[dict[str, Any]], **counts: int) -> tuple[int, int, int]:
    """Return (lost, duplicated, wrong). The counts are those of the items by default."""
    states = [item["state"] for item in items]
    given = counts or {state: states.count(state) for state in NO_COUNTS}
    tally = judge("j1", numbers, NO_COUNTS | given, items, ORACLE)
    return tally.lost, tally.duplicated, tally.wrong


def test_what_is_answered_once_and_rightly_is_clean() -> None:
    assert judged([3, 3, 7], [done(0, 3), done(1, 3), done(2, 7)]) == (0, 0, 0)


def test_the_order_of_the_items_does_not_matter() -> None:
    assert judged([3, 7], [done(1, 7), done(0, 3)]) == (0, 0, 0)


def test_an_image_without_an_item_is_lost() -> None:
    assert judged([3, 7], [done(0, 3)]) == (1, 0, 0)


def test_an_item_that_is_not_final_is_lost() -> None:
    assert judged([3, 7], [done(0, 3), done(1, 7) | {"state": "queued"}]) == (1, 0, 0)


def test_an_index_that_comes_twice_is_a_duplicate() -> None:
    assert judged([3, 7], [done(0, 3), done(1, 7), done(1, 7)], done=2) == (0, 1, 0)


def test_an_index_beyond_the_images_is_a_duplicate() -> None:
    assert judged([3], [done(0, 3), done(1, 3)], done=1) == (0, 1, 0)


def test_counts_over_the_total_are_duplicates() -> None:
    assert judged([3, 7], [done(0, 3), done(1, 7)], done=4) == (0, 2, 0)


def test_counts_that_are_not_those_of_the_items_are_wrong() -> None:
    assert judged([3, 7], [done(0, 3), done(1, 7)], done=1, failed=1) == (0, 0, 1)


def test_another_digit_is_wrong() -> None:
    assert judged([3, 7], [done(0, 7), done(1, 7)]) == (0, 0, 1)


def test_the_answer_of_another_image_of_the_same_digit_is_wrong() -> None:
    swapped = done(0, 3) | {"probabilities": [0.05, 0, 0, 0.95, 0, 0, 0, 0, 0, 0]}
    assert judged([3], [swapped]) == (0, 0, 1)


def test_an_answer_that_is_not_finite_is_wrong() -> None:
    assert judged([3], [done(0, 3) | {"probabilities": [float("nan")] * 10}]) == (0, 0, 1)


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
def test_an_honest_image_that_gets_no_answer_is_wrong(state: str) -> None:
    assert judged([3], [failed(0, "why") | {"state": state}]) == (0, 0, 1)


def test_a_poisoned_image_must_fail_with_its_reason() -> None:
    assert judged([9], [failed(0, "the model raised poison")]) == (0, 0, 0)
    assert judged([9], [failed(0, "something else")]) == (0, 0, 1)
    assert judged([9], [failed(0, "")]) == (0, 0, 1)
    assert judged([9], [done(0, 9)]) == (0, 0, 1)


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
