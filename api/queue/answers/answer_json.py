"""The fields of an answer that the reply to a single request and the items of a job share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.contract.block import Block

GUESSES = 3


def answer_json(block: Block, position: int) -> dict[str, Any]:
    """Return `prediction`, and `confident` if there is a threshold. `position` has an answer.

    If the request lets answers be unsure, `state` says whether this one is. An unsure answer has no prediction, and the
    best `guesses` instead.
    """
    answer: dict[str, Any] = {"prediction": int(block.predictions[position])}
    if block.scores is None:
        return answer
    answer["confident"] = block.confident(position)
    if block.accept:
        answer["state"] = block.state(position)
        if answer["state"] == "unsure":
            answer["prediction"] = None
            answer["guesses"] = guesses(block, position)
    return answer


def labelled_answer(block: Block, row: int, labels: Sequence[str]) -> dict[str, Any]:
    """Do what `answer_json` does, with the names of `labels`, and with the probabilities of all or of the best labels.

    `label` is null for an unsure answer. `confidence` is the probability of the best label. `probabilities` is
    float32[K], which the JSON encoder supports, or null next to the `best` labels.
    """
    answer = answer_json(block, row)
    prediction, best = answer["prediction"], best_labels(block, row, labels)
    answer["label"] = None if prediction is None else labels[prediction]
    answer["confidence"] = best[0]["probability"]
    answer["probabilities"] = block.probabilities[row] if block.dense else None
    if not block.dense:
        answer["best"] = best
    for guess in answer.get("guesses", ()):
        guess["label"] = labels[guess["prediction"]]
    return answer


def best_labels(block: Block, row: int, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the best labels of a row, the best first."""
    return [
        {"prediction": index, "label": labels[index], "probability": _shortest(probability)}
        for index, probability in block.best_labels(row)
    ]


def _shortest(probability: float) -> float:
    """Return the number with the fewest digits that is the same as float32, as the JSON encoder writes arrays."""
    return float(str(np.float32(probability)))


def guesses(block: Block, position: int) -> list[dict[str, Any]]:
    """Return the most likely labels, the best first, with their probabilities."""
    best = block.best_labels(position)[:GUESSES]
    return [{"prediction": label, "confidence": probability} for label, probability in best]
