"""A number is read from the answers for the candidates of its lattice, also among valid strings."""

import math

import numpy as np
import pytest

from api.queue.answers.reading import Labels, digit_probabilities, read_number
from api.queue.answers.roster import roster_of, shares_in, string_weights
from shared.contract.job import Candidate, Lattice

BOX = (0, 0, 10, 20)
# Two pieces, which are a 4 and a 7, or together a 0.
TOUCHING = Lattice(2, (Candidate(0, 1, BOX, 0.0), Candidate(0, 2, BOX, 0.0), Candidate(1, 2, BOX, 0.0)))


def answers(*likely: dict[int, float]) -> Labels:
    labels = np.full((len(likely), 10), 1e-6)
    for row, each in enumerate(likely):
        for digit, probability in each.items():
            labels[row, digit] = probability
    return labels


def test_the_most_likely_division_is_read() -> None:
    reading = read_number(TOUCHING, answers({4: 0.98}, {0: 0.1}, {7: 0.9, 1: 0.05}), 0.02)
    assert reading.text == "47"
    assert [digit.label for digit in reading.digits] == [4, 7]
    assert reading.digits[1].alternatives[0] == (1, 0.05)
    assert 0.8 < reading.confidence < 0.9
    assert reading.others[0][0] == "0"
    assert read_number(TOUCHING, answers({4: 0.3}, {0: 0.9}, {7: 0.2}), 0.02).text == "0"


def test_the_confidences_of_all_numbers_add_up_to_one_at_most() -> None:
    reading = read_number(TOUCHING, answers({4: 0.5, 9: 0.5}, {0: 0.4}, {7: 0.9}), 0.02)
    assert reading.confidence + sum(share for _, share in reading.others) <= 1


def test_a_shape_that_is_unlikely_needs_a_better_answer() -> None:
    wide = Lattice(2, (Candidate(0, 1, BOX, 0.0), Candidate(0, 2, BOX, -5.0), Candidate(1, 2, BOX, 0.0)))
    assert read_number(wide, answers({4: 0.4}, {0: 0.9}, {7: 0.4}), 0.02).text == "47"


def test_a_speck_may_be_skipped() -> None:
    specked = Lattice(2, (Candidate(0, 1, BOX, 0.0), Candidate(1, 2, BOX, 0.0)), ((1, 2.0),))
    assert read_number(specked, answers({4: 0.95}, {1: 0.02}), 0.02).text == "4"


def test_nothing_that_is_a_digit_reads_as_nothing() -> None:
    reading = read_number(TOUCHING, np.zeros((3, 10)), 0.02)
    assert (reading.text, reading.confidence, list(reading.digits)) == ("", 0.0, [])


def test_a_model_that_knows_none_of_the_labels_lowers_the_probabilities() -> None:
    probabilities = np.array([[0.75, 0.25, *[0] * 8]], np.float32)
    assert digit_probabilities(probabilities, None)[0, 0] == 0.75
    assert digit_probabilities(probabilities, np.array([0.3], np.float32))[0] == pytest.approx([0.3, 0.1, *[0] * 8])


def test_the_weight_of_a_string_is_that_of_all_divisions_that_read_it() -> None:
    lattice = Lattice(
        3, (Candidate(0, 1, BOX, 0.0), Candidate(0, 2, BOX, -1.0), Candidate(1, 3, BOX, 0.0), Candidate(2, 3, BOX, 0.0))
    )
    labels = answers({4: 0.5}, {4: 0.8}, {7: 0.6}, {7: 0.9})
    weights = string_weights(roster_of(["47", "4", "74", "477"]), lattice, labels)
    assert weights[0] == pytest.approx(0.5 * 0.6 + 0.8 * math.exp(-1) * 0.9)
    assert weights[1:].max() < 1e-3


def test_a_roster_decides_between_digits_that_look_alike() -> None:
    labels = answers({4: 0.9}, {0: 1e-4}, {1: 0.6, 7: 0.3})
    assert read_number(TOUCHING, labels, 0.02).text == "41"
    shares = shares_in(roster_of(["47", "52", "120"]), TOUCHING, labels, 0.02)
    assert shares.argmax() == 0
    assert shares[0] > 0.9
    assert shares.sum() < 1


def test_a_number_that_is_not_in_the_roster_is_not_taken_for_one() -> None:
    labels = answers({4: 0.99}, {0: 1e-4}, {1: 0.99})
    assert shares_in(roster_of(["29", "30", "865"]), TOUCHING, labels, 0.02).max() < 0.1
