"""The fields of an answer, or of a number read, that the reply to a single request and the items of a job share."""

from collections.abc import Sequence

import numpy as np

from api.queue.answers.replies import Answer, BestLabel, Guess, LabelledAnswer, NumberAnswer, NumberDigit
from shared.contract.block import Block
from shared.contract.job import NumberLine
from shared.numbers.guesses import best_guesses, is_sure
from shared.numbers.reading import Digit, Outputs, digits_of
from shared.numbers.roster import Roster

GUESSES = 3
MIN_SHARE = 1e-4  # less likely guesses are left out


def answer_json(block: Block, position: int) -> Answer:
    """Return `prediction`, and `confident` if there is a threshold. `position` has an answer.

    If the request lets answers be unsure, `state` says whether this one is. An unsure answer has no prediction, and the
    best `guesses` instead.
    """
    answer: Answer = {"prediction": block.predicted[position]}
    if block.scores is None:
        return answer
    confidences = block.confidences
    answer["confident"] = None if confidences is None else confidences[position]
    if block.accept:
        unsure = block.state(position) == "unsure"
        answer["state"] = "unsure" if unsure else "done"
        if unsure:
            answer["prediction"] = None
            answer["guesses"] = guesses(block, position)
    return answer


def labelled_answer(block: Block, row: int, labels: Sequence[str], best: Sequence[BestLabel]) -> LabelledAnswer:
    """Do what `answer_json` does, with the names of `labels`. `best` are the `best_labels` of the row.

    `label` is null for an unsure answer. `confidence` is the probability of the best label. `probabilities` is
    float32[K], which the JSON encoder supports, or null if the block has those of the best labels only.
    """
    answer = answer_json(block, row)
    for guess in answer.get("guesses", ()):
        guess["label"] = labels[guess["prediction"]]
    prediction = answer["prediction"]
    return {
        **answer,
        "label": None if prediction is None else labels[prediction],
        "confidence": best[0]["probability"],
        "probabilities": block.probabilities[row] if block.dense else None,
    }


def best_labels(block: Block, row: int, labels: Sequence[str]) -> list[BestLabel]:
    """Return the best labels of a row, the best first."""
    return [
        {"prediction": index, "label": labels[index], "probability": _shortest(probability)}
        for index, probability in block.best_labels(row)
    ]


def _shortest(probability: float) -> float:
    """Return the number with the fewest digits that is the same as float32, as the JSON encoder writes arrays."""
    return float(str(np.float32(probability)))


def guesses(block: Block, position: int) -> list[Guess]:
    """Return the most likely labels, the best first, with their probabilities."""
    best = block.best_labels(position)[:GUESSES]
    return [{"prediction": label, "confidence": probability} for label, probability in best]


def number_json(
    line: NumberLine, views: Sequence[Outputs], roster: Roster | None, rule: float, accept: float
) -> NumberAnswer:
    """Return the number in a picture, its digits, and the best guesses. Below the confidence `accept`, it is unsure.

    `views` are float64[T,12], the answers for the windows of each view of the line. `rule` is the version's threshold.
    With a roster, the number is one of its strings.
    """
    best = best_guesses(views, roster)
    text, confidence = best[0]
    sure = is_sure(best[0], accept)
    return {
        "text": text if sure else None,
        "confidence": round(confidence, 4),
        "confident": confidence >= (accept or rule),
        "state": "done" if sure else "unsure",
        "digits": [_digit_json(digit) for digit in digits_of(text, line, views[0])],
        "guesses": [
            {"text": guess, "confidence": round(share, 4)} for guess, share in best if guess and share >= MIN_SHARE
        ],
    }


def _digit_json(digit: Digit) -> NumberDigit:
    return {
        "digit": digit.label,
        "box": digit.box,
        "confidence": round(digit.confidence, 4),
        "alternatives": [{"digit": label, "confidence": round(share, 4)} for label, share in digit.alternatives],
    }
