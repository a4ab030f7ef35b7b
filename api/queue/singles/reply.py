"""The reply to a request for one image."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from api.queue.answers.answer_json import answer_json, best_labels, labelled_answer
from api.queue.answers.replies import LabelledPrediction, Prediction, Processing
from api.queue.classify_request import ClassifyRequest
from shared.contract.block import Block
from shared.errors import DeadlinePassed, InferenceFailed, RequestError

FAILURE = "failure"  # scope key of a Failure, if the request is handed over by the fast path


class Failure(NamedTuple):
    """Why a request has no result that the fast path could send."""

    error: RequestError
    asked: ClassifyRequest


def elapsed_ms(started_s: float, now_s: float | None = None) -> float:
    """Return the time since `started_s`, by `time.perf_counter`."""
    now_s = time.perf_counter() if now_s is None else now_s
    return round((now_s - started_s) * 1e6) / 1e3  # `round(…, 3)` takes twice as long


def reply_to(
    asked: ClassifyRequest, block: Block, position: int, single_id: str, elapsed_time_ms: float
) -> Prediction | LabelledPrediction:
    """Return the JSON of a single image, with labels if the request asks for `top`.

    Raises DeadlinePassed or InferenceFailed if it has no result.
    """
    if asked.top is None:
        return single_reply(block, position, single_id, elapsed_time_ms)
    return labelled_reply(block, position, single_id, elapsed_time_ms, asked.spec.labels)


def single_reply(block: Block, position: int, single_id: str, elapsed_time_ms: float) -> Prediction:
    """Return the JSON of a single image. Raises DeadlinePassed or InferenceFailed if it has no result."""
    if position in block.faults:
        raise error_of(block, position)
    return {
        **answer_json(block, position),
        "elapsed_time_ms": elapsed_time_ms,
        "model": block.model,
        "id": single_id,
        "debug": {
            "probabilities": block.probabilities[position],
            **_processing(block, position),
        },
    }


def labelled_reply(
    block: Block, position: int, single_id: str, elapsed_time_ms: float, labels: Sequence[str]
) -> LabelledPrediction:
    """Do what `single_reply` does, with the names of the labels and the best of them."""
    if position in block.faults:
        raise error_of(block, position)
    best = best_labels(block, position, labels)
    return {
        **labelled_answer(block, position, labels, best),
        "best": best,
        "elapsed_time_ms": elapsed_time_ms,
        "model": block.model,
        "id": single_id,
        "debug": _processing(block, position),
    }


def _processing(block: Block, position: int) -> Processing:
    """Return how an image was processed: the stage of a cascade that decided, its batch, times and worker."""
    processing: Processing = {
        "batch_images": block.batch_images,
        "queue_ms": block.queue_ms,
        "model_ms": block.model_ms,
        "worker": block.worker,
        "attempt": block.attempt,
    }
    if (stage := block.stage(position)) is not None:
        processing["stage"] = stage
    return processing


def error_of(block: Block, position: int) -> RequestError:
    """Return the error of an image that has no result."""
    state, reason = block.faults[position]
    return DeadlinePassed(reason) if state == "expired" else InferenceFailed(reason)
