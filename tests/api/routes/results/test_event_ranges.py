"""Sets of numbers as the text of their runs, and back."""

import pytest

from api.routes.results.event_ranges import numbers_of, runs_of, runs_text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [(set(), ""), ({0}, "0-1"), ({0, 1, 2}, "0-3"), ({5, 3, 4, 9}, "3-6,9-10"), (set(range(1000)), "0-1000")],
)
def test_a_set_is_written_as_runs_and_parsed(numbers: set[int], text: str) -> None:
    assert runs_text(numbers, 10) == text
    assert numbers_of(text, 1000) == numbers
    assert {number for first, stop in runs_of(numbers) for number in range(first, stop)} == numbers


def test_the_number_of_runs_is_limited() -> None:
    assert runs_text({0, 2, 4, 6}, 2) == "0-1,2-3"


def test_numbers_out_of_reach_cost_nothing() -> None:
    assert numbers_of("3-999999999", 5) == {3, 4}
    assert numbers_of("7-999999999", 5) == set()


@pytest.mark.parametrize("text", ["end", "1", "1-", "-1-2", "2-1", "1-1", "4-5,3-4", "0-3,2-5", "0-1,", "0-9999999999"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|out of order"):
        numbers_of(text, 10)
