"""A number is read from the answers for the windows of its line, also among valid strings."""

import itertools

import numpy as np
import pytest

from api.queue.answers.answer_json import number_json
from shared.contract.job import NumberLine, Piece
from shared.numbers.reading import MIN_PROBABILITY, OTHER_SIGN, Outputs, digits_of, most_likely, window_outputs
from shared.numbers.roster import roster_of, shares_in, text_probabilities
from shared.shapes import GAP, OTHER, WINDOW_OUTPUTS

LINE = NumberLine((4,), (Piece((10, 5, 20, 30), 0.8), Piece((32, 7, 4, 28), 2.2), Piece((36, 7, 5, 28), 3.0)))


def answers(*windows: dict[int, float]) -> Outputs:
    """Return the outputs of windows. What is missing to 1 means that no digit is in the middle."""
    outputs = np.full((len(windows), WINDOW_OUTPUTS), MIN_PROBABILITY)
    for row, each in zip(outputs, windows, strict=True):
        row[GAP] = 1 - sum(each.values()) - (WINDOW_OUTPUTS - 1) * MIN_PROBABILITY
        for label, probability in each.items():
            row[label] += probability
    return outputs


def test_the_most_likely_text_is_read_with_its_probability() -> None:
    (text, share), (other, other_share), *_ = most_likely([answers({}, {4: 0.98}, {}, {7: 0.9, 1: 0.09})])
    assert (text, other) == ("47", "41")
    assert share == pytest.approx(0.882, abs=1e-3)
    assert other_share == pytest.approx(0.088, abs=1e-3)


def test_a_digit_between_two_windows_is_as_likely_as_both_ways_to_read_it() -> None:
    texts = dict(most_likely([answers({3: 0.5}, {3: 0.5})]))
    assert texts["3"] == pytest.approx(0.5, abs=1e-3)
    assert texts["33"] == pytest.approx(0.25, abs=1e-3)


def test_the_probabilities_of_all_texts_add_up_to_one() -> None:
    outputs = answers({4: 0.5, 9: 0.4}, {0: 0.4}, {OTHER: 0.2}, {7: 0.9})
    assert sum(share for _, share in most_likely([outputs])) == pytest.approx(1, abs=0.01)


def test_views_that_agree_make_a_text_surer_and_others_make_it_unsure() -> None:
    agreeing = dict(most_likely([answers({3: 0.9, 8: 0.09}), answers({}, {3: 0.9, 8: 0.09})]))
    assert agreeing["3"] == pytest.approx(0.9**1.5 / (0.9**1.5 + 0.09**1.5 + 0.01**1.5), abs=1e-3)
    differing = most_likely([answers({3: 0.9, 8: 0.09}), answers({}, {3: 0.09, 8: 0.9})])
    assert [round(share, 2) for text, share in differing if text in ("3", "8")] == [0.5, 0.5]


def test_the_probabilities_in_both_views_together_add_up_to_one() -> None:
    views = [answers({4: 0.5, 9: 0.4}, {0: 0.4}), answers({}, {9: 0.7, 4: 0.2}, {7: 0.6})]
    assert sum(share for _, share in most_likely(views)) == pytest.approx(1, abs=0.01)


def test_equal_digits_next_to_each_other_are_two() -> None:
    assert most_likely([answers({1: 0.99}, {1: 0.99})])[0][0] == "11"


def test_a_sign_that_is_no_digit_makes_a_number_unsure() -> None:
    outputs = answers({4: 0.99}, {}, {OTHER: 0.9, 8: 0.09}, {})
    assert most_likely([outputs])[0][0] == f"4{OTHER_SIGN}"
    answer = number_json(LINE, [outputs], None, 0.8, 0.8)
    assert (answer["text"], answer["state"], answer["guesses"][0]["text"]) == (None, "unsure", "48")


def test_nothing_reads_as_nothing() -> None:
    answer = number_json(LINE, [answers({}, {}, {}, {})], None, 0.8, 0.0)
    assert (answer["text"], answer["state"], answer["digits"], answer["guesses"]) == (None, "unsure", [], [])


def test_the_threshold_of_the_request_replaces_that_of_the_version() -> None:
    outputs = answers({4: 0.7}, {}, {7: 0.99}, {})
    assert number_json(LINE, [outputs], None, 0.8, 0.8)["state"] == "unsure"
    lower = number_json(LINE, [outputs], None, 0.8, 0.6)
    assert (lower["state"], lower["text"], lower["confident"]) == ("done", "47", True)
    every = number_json(LINE, [outputs], None, 0.8, 0.0)
    assert (every["state"], every["confident"]) == ("done", False)


def test_a_digit_has_the_box_of_the_ink_around_its_window() -> None:
    four, seven = digits_of("47", LINE, answers({}, {4: 0.98}, {}, {7: 0.9, 1: 0.09}))
    assert (four.label, four.box) == (4, (10, 5, 20, 30))
    assert (seven.label, seven.box) == (7, (32, 7, 9, 28))
    assert seven.confidence == pytest.approx(0.909, abs=1e-3)
    assert seven.alternatives[0][0] == 1
    assert seven.alternatives[0][1] == pytest.approx(0.09, abs=2e-3)


def test_digits_in_one_piece_of_ink_share_its_box() -> None:
    one = NumberLine((4,), (Piece((10, 5, 40, 30), 1.5),))
    assert [digit.box for digit in digits_of("47", one, answers({}, {4: 0.98}, {7: 0.9}, {}))] == [(10, 5, 40, 30)] * 2


def test_a_text_of_more_digits_than_windows_has_no_digits() -> None:
    assert digits_of("47123", LINE, answers({}, {4: 0.98}, {7: 0.9}, {})) == []


def test_all_outputs_follow_from_the_labels_and_the_score() -> None:
    probabilities = np.array([[0.75, 0.25, *[0] * 9]], np.float32)
    one, other = window_outputs(NumberLine((1, 2), ()), probabilities.repeat(3, 0), np.array([0.3] * 3, np.float32))
    assert (len(one), len(other)) == (1, 2)
    assert one[0, [0, 1, GAP, OTHER]] == pytest.approx([0.3, 0.1, 0, 0.6], abs=1e-4)


def test_the_probability_of_a_string_is_that_of_all_ways_to_read_it() -> None:
    outputs = answers({4: 0.5}, {4: 0.4, 7: 0.3}, {7: 0.8}, {1: 0.2})
    strings = ["47", "4", "477", "7", "1"]
    expected = [
        sum(
            float(np.prod(outputs[np.arange(4), way]))
            for way in itertools.product(range(WINDOW_OUTPUTS), repeat=4)
            if "".join(str(each) for each in way if each != GAP) == string and OTHER not in way
        )
        for string in strings
    ]
    assert text_probabilities(roster_of(strings), outputs) == pytest.approx(expected)


def test_a_roster_decides_between_digits_that_look_alike() -> None:
    outputs = answers({4: 0.9}, {}, {1: 0.6, 7: 0.3}, {})
    assert most_likely([outputs])[0][0] == "41"
    shares = shares_in(roster_of(["47", "52", "120"]), [outputs])
    assert shares.argmax() == 0
    assert shares[0] > 0.9
    assert shares.sum() < 1


@pytest.mark.parametrize("strings", [["29", "30", "865"], ["4", "411"], ["7" * 16]])
def test_a_number_that_is_not_in_the_roster_is_not_taken_for_one(strings: list[str]) -> None:
    outputs = answers({4: 0.9995}, {}, {1: 0.9995}, {})
    assert shares_in(roster_of(strings), [outputs]).max() < 0.5
