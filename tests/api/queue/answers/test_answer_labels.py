"""Answers with the names of their labels."""

import numpy as np
import pytest
from msgspec.structs import replace

from api.queue.answers.answer_json import best_labels
from api.queue.answers.job_view import block_item
from api.queue.singles.reply import labelled_reply
from shared.contract.block import NO_PREDICTION, Block, keep_best
from shared.contract.block.codec import decode_block, encode_block
from shared.errors import DeadlinePassed, InferenceFailed

PARTS = ["good", "scratched", "bent"]
FEW = Block(np.array([2], np.uint16), np.array([[0.1, 0.2, 0.7]], np.float32), "parts@1", "w", 1, 1, 0, 0)
WORDS = [f"word {number}" for number in range(40)]


def many(top: int) -> Block:
    probabilities = np.zeros((1, 40), np.float32)
    probabilities[0, [7, 39, 3]] = [0.5, 0.3, 0.2]
    best, kept = keep_best(probabilities, top)
    block = Block(np.array([7], np.uint16), kept, "words@1", "w", 1, 1, 0, 0, best=best, best_of=40)
    return decode_block(encode_block(block))


def test_all_probabilities_of_few_labels_are_shown() -> None:
    answer = block_item(FEW, 0, 5, None, PARTS)
    assert (answer["prediction"], answer["label"], answer["confidence"]) == (2, "bent", 0.7)
    assert answer["probabilities"] is not None
    assert answer["probabilities"].tolist() == FEW.probabilities[0].tolist()
    assert [each["label"] for each in best_labels(FEW, 0, PARTS)] == ["bent", "scratched", "good"]


def test_the_best_of_few_labels_are_shown_if_the_request_wants_that() -> None:
    answer = block_item(replace(FEW, top=1), 0, 5, None, PARTS)
    assert answer["probabilities"] is None
    assert answer["best"] == [{"prediction": 2, "label": "bent", "probability": 0.7}]


def test_the_best_of_many_labels_are_shown() -> None:
    answer = block_item(many(2), 0, 5, None, WORDS)
    assert (answer["prediction"], answer["label"], answer["confidence"]) == (7, "word 7", 0.5)
    assert answer["probabilities"] is None
    assert [(each["label"], each["probability"]) for each in answer["best"]] == [("word 7", 0.5), ("word 39", 0.3)]


def test_an_item_has_labels_only_if_they_are_asked_for() -> None:
    assert "label" not in block_item(FEW, 0, 5, None)
    assert block_item(FEW, 0, 5, "a.png", PARTS)["label"] == "bent"
    failed = replace(FEW, predictions=np.array([NO_PREDICTION], np.uint16), faults={0: ("failed", "why")})
    item = block_item(failed, 0, 5, None, PARTS)
    assert (item["prediction"], item["label"], item["confidence"], item["error"]) == (None, None, None, "why")


@pytest.mark.parametrize(("state", "error"), [("failed", InferenceFailed), ("expired", DeadlinePassed)])
def test_a_reply_without_a_result_is_an_error(state: str, error: type[Exception]) -> None:
    failed = replace(FEW, faults={0: (state, "why")})
    with pytest.raises(error, match="why"):
        labelled_reply(failed, 0, "a-0", 1.0, PARTS)
