"""Comparing answers with the engine's own."""

import json
import math

import numpy as np

from benchmarks.measure.answers import largest_error, single_error


def expected(digit: int) -> np.ndarray:
    probabilities = np.full(10, 0.01, np.float32)
    probabilities[digit] = 0.91
    return probabilities


def reply(digit: int, prediction: int) -> bytes:
    return json.dumps({"prediction": prediction, "debug": {"probabilities": expected(digit).tolist()}}).encode()


def test_the_same_answer_has_no_error() -> None:
    assert single_error(reply(3, 3), expected(3)) == 0.0


def test_the_answer_to_another_image_is_an_error() -> None:
    assert single_error(reply(4, 4), expected(3)) > 0.8


def test_a_prediction_that_contradicts_its_probabilities_is_an_infinite_error() -> None:
    assert single_error(reply(3, 5), expected(3)) == math.inf


def test_missing_answers_are_an_infinite_error() -> None:
    two = np.stack([expected(1), expected(2)])
    assert largest_error(two[:1], two) == math.inf
    assert largest_error([[math.nan] * 10, two[1]], two) == math.inf
