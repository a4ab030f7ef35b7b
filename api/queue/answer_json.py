"""The fields of an answer that the reply to a single request and the items of a job share."""

from typing import Any

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


def guesses(block: Block, position: int) -> list[dict[str, float]]:
    """Return the most likely labels, the best first, with their probabilities."""
    best = block.best_labels(position)[:GUESSES]
    return [{"prediction": label, "confidence": probability} for label, probability in best]
