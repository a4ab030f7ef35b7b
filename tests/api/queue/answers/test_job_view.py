from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from msgspec.structs import replace

from api.queue.answers.job_view import block_item, chunk_items, job_json, manifest_of, queued_item, single_json
from api.queue.answers.replies import Item
from api.queue.singles.reply import single_reply
from shared.contract.block import NO_PREDICTION, Block, FinalState
from shared.contract.block.codec import encode_block
from shared.contract.job import JOB_CODEC, CallbackStatus, Counts, Job

RUNNING = Job(id="j1", model="cnn@1", created_ms=1000, chunk_images=4, total=10)


def counted(total: int | None, finished_ms: int | None, **counts: int) -> Job:
    return replace(RUNNING, total=total, finished_ms=finished_ms, **counts)


def block_of(predictions: list[int], faults: dict[int, tuple[FinalState, str]] | None = None) -> Block:
    probabilities = np.eye(10, dtype=np.float32)[[digit % 10 for digit in predictions]]
    return Block(np.array(predictions, np.uint16), probabilities, "cnn@1", "w", 1, 8, 1.0, 1.0, faults=faults or {})


@pytest.mark.parametrize(
    ("job", "state"),
    [
        (counted(None, None), "queued"),
        (counted(10, None), "queued"),
        (counted(None, None, done=1), "running"),
        (counted(10, None, failed=1), "running"),
        (counted(10, None, done=10), "running"),  # final only once Redis has the end
        (counted(10, 9, done=10), "done"),
        (counted(10, 9, done=9, failed=1), "done_with_errors"),
        (counted(10, 9, failed=10), "done_with_errors"),
        (counted(10, 9, done=9, expired=1), "expired"),
        (counted(10, 9, expired=10), "expired"),
        (counted(10, 9, done=9, cancelled=1), "cancelled"),
        (counted(10, 9, cancelled=10), "cancelled"),
        (counted(0, 9), "done"),
    ],
)
def test_the_state_follows_from_the_counts(job: Job, state: str) -> None:
    assert job.state == state


def test_a_job_is_read_from_its_hash() -> None:
    fields = {b"model": b"cnn@1", b"created_ms": b"1000", b"chunk_images": b"4", b"done": b"3", b"lane": b"bulk"}
    assert JOB_CODEC.decode("j1", fields) == counted(None, None, done=3)
    fields |= {b"total": b"10", b"finished_ms": b"5000", b"failed": b"1", b"expired": b"2", b"cancelled": b"4"}
    assert JOB_CODEC.decode("j1", fields) == counted(10, 5000, done=3, failed=1, expired=2, cancelled=4)


@pytest.mark.parametrize(
    ("job", "progress", "elapsed_s", "eta_s"),
    [
        (counted(None, None), 0.0, 2.0, None),
        (counted(None, None, done=5), 0.0, 2.0, None),
        (counted(10, None), 0.0, 2.0, None),
        (counted(10, None, done=3, failed=1), 0.4, 2.0, 3.0),
        (counted(10, None, done=10), 1.0, 2.0, 0.0),
        (counted(10, 1500, done=10), 1.0, 0.5, 0.0),
        (counted(10, 1500, done=1, cancelled=9), 1.0, 0.5, 0.0),
        (counted(0, 1000), 0.0, 0.0, 0.0),
        (replace(RUNNING, created_ms=4000), 0.0, 0.0, None),  # the clocks of two hosts
    ],
)
def test_progress_and_remaining_time_are_given_if_they_are_known(
    job: Job, progress: float, elapsed_s: float, eta_s: float | None
) -> None:
    reply = job_json(job, now_ms=3000)
    assert (reply["progress"], reply["elapsed_s"], reply["eta_s"]) == (progress, elapsed_s, eta_s)


def test_the_response_has_the_state_of_the_callback() -> None:
    fields = {b"model": b"cnn@1", b"created_ms": b"1000", b"chunk_images": b"4"}
    assert job_json(JOB_CODEC.decode("j1", fields), now_ms=3000)["callback"] is None
    fields |= {b"callback_url": b"https://example.com/"}
    assert JOB_CODEC.decode("j1", fields).callback == CallbackStatus("https://example.com/", "waiting", 0)
    fields |= {b"callback_state": b"delivered", b"callback_attempts": b"2"}
    assert job_json(JOB_CODEC.decode("j1", fields), now_ms=3000)["callback"] == CallbackStatus(
        "https://example.com/", "delivered", 2
    )


def test_the_response_has_the_job_and_the_links_to_its_items() -> None:
    reply = job_json(replace(counted(10, None, done=3), request_id="of-mine"), now_ms=3000)
    assert {name: reply[name] for name in ("id", "request_id", "state", "total", "counts", "model")} == {
        "id": "j1",
        "request_id": "of-mine",
        "state": "running",
        "total": 10,
        "counts": Counts(done=3),
        "model": "cnn@1",
    }
    assert reply["links"] == {"self": "/results/j1", "items": "/results/j1/items"}


@pytest.mark.parametrize(
    ("block", "state", "counts", "progress"),
    [
        (None, "queued", {}, 0.0),
        (block_of([7, 3]), "done", {"done": 1}, 1.0),
        (block_of([7, 3], {0: ("failed", "why")}), "done", {"done": 1}, 1.0),
        (block_of([7, 3], {1: ("failed", "why")}), "done_with_errors", {"failed": 1}, 1.0),
        (block_of([7, 3], {1: ("expired", "why")}), "expired", {"expired": 1}, 1.0),
        (block_of([7, 3], {1: ("cancelled", "why")}), "cancelled", {"cancelled": 1}, 1.0),
    ],
)
def test_a_single_image_is_a_job_with_one_item(
    block: Block | None, state: str, counts: dict[str, int], progress: float
) -> None:
    reply = single_json("ab-1", "cnn@1", "of-mine", block, 1)
    assert reply == {
        "id": "ab-1",
        "state": state,
        "total": 1,
        "counts": Counts(**counts),
        "model": "cnn@1",
        "progress": progress,
        "eta_s": 0.0 if block else None,
        "request_id": "of-mine",
        "links": {"self": "/results/ab-1", "items": "/results/ab-1/items"},
    }


def items(job: Job, chunk: int, block: Block | None, names: list[str] | None = None, **errors: str) -> list[Item]:
    """Return the items of a chunk. Errors are given by position: `p1="reason"`."""
    manifest = {"names": names, "errors": [[int(position[1:]), reason] for position, reason in errors.items()]}
    manifest_data = orjson.dumps(manifest) if names or errors else None
    return list(chunk_items(job, chunk, encode_block(block) if block else None, manifest_of(manifest_data)))


def brief(chunk: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(item[name] for name in ("index", "name", "state", "prediction", "error")) for item in chunk]


def test_the_indices_of_items_continue_across_chunks() -> None:
    assert brief(items(RUNNING, 1, block_of([7, 3, 9, 1]))) == [
        (4, None, "done", 7, None),
        (5, None, "done", 3, None),
        (6, None, "done", 9, None),
        (7, None, "done", 1, None),
    ]


def test_the_last_chunk_has_the_remaining_items() -> None:
    assert [item["index"] for item in items(RUNNING, 2, block_of([7, 3]))] == [8, 9]


@pytest.mark.parametrize(("job", "state"), [(RUNNING, "queued"), (counted(10, 9, done=4, cancelled=6), "cancelled")])
def test_items_without_a_result_are_queued_or_cancelled_like_their_job(job: Job, state: str) -> None:
    assert brief(items(job, 2, None, ["a", "b"])) == [(8, "a", state, None, None), (9, "b", state, None, None)]


def test_an_unreadable_image_has_no_row_in_the_block() -> None:
    names = ["a", "b", "c", "d"]
    block = block_of([7, NO_PREDICTION], {1: ("failed", "the model")})
    assert brief(items(RUNNING, 0, block, names, p0="no image", p2="too large")) == [
        (0, "a", "failed", None, "no image"),
        (1, "b", "done", 7, None),
        (2, "c", "failed", None, "too large"),
        (3, "d", "failed", None, "the model"),
    ]


def test_an_unreadable_image_has_failed_before_other_images_have_results() -> None:
    assert [item["state"] for item in items(RUNNING, 0, None, None, p1="no image")] == [
        "queued",
        "failed",
        "queued",
        "queued",
    ]


def test_there_are_no_items_during_the_upload() -> None:
    assert items(replace(RUNNING, total=None), 0, block_of([7, 3, 9, 1])) == []


def test_an_item_has_probabilities_or_a_reason() -> None:
    block = block_of([7, NO_PREDICTION], {1: ("expired", "too late")})
    item: dict[str, Any] = {**block_item(block, 0, 5, "seven")}
    assert item.pop("probabilities").tolist() == np.eye(10)[7].tolist()
    assert item == {"index": 5, "name": "seven", "state": "done", "prediction": 7, "error": None}
    assert block_item(block, 1, 6, None) == {
        "index": 6,
        "name": None,
        "state": "expired",
        "prediction": None,
        "probabilities": None,
        "error": "too late",
    }


def test_an_item_of_a_cascade_has_the_stage_that_decided_counted_from_one() -> None:
    block = replace(block_of([7, NO_PREDICTION], {1: ("expired", "late")}), stages=np.array([1, 0], np.uint8))
    assert block_item(block, 0, 5, None)["stage"] == 2
    assert "stage" not in block_item(block, 1, 6, None)
    assert single_reply(block, 0, "id-0", 1.0)["debug"]["stage"] == 2
    assert "stage" not in single_reply(block_of([7]), 0, "id-0", 1.0)["debug"]


def test_a_single_image_without_a_result_has_a_queued_item() -> None:
    assert brief([queued_item()]) == [(0, None, "queued", None, None)]


def scored(accept: float, rule: float = 0.0) -> Block:
    block = block_of([3, 4, 5], {2: ("failed", "why")})
    block = replace(block, scores=np.array([0.9, 0.89, 0], np.float32), accept=accept, rule=rule)
    block.probabilities[1] = np.array([0, 0, 0, 0, 0.5, 0, 0, 0.3, 0, 0.2], np.float32)
    return block


def test_an_answer_below_the_threshold_is_unsure_and_has_guesses() -> None:
    block = scored(accept=0.9)
    sure, unsure, failed = (block_item(block, row, row, None) for row in range(3))
    assert (sure["state"], sure["prediction"], sure["confident"], "guesses" in sure) == ("done", 3, True, False)
    assert (unsure["state"], unsure["prediction"], unsure["confident"]) == ("unsure", None, False)
    assert [guess["prediction"] for guess in unsure["guesses"]] == [4, 7, 9]
    assert [guess["confidence"] for guess in unsure["guesses"]] == pytest.approx([0.5, 0.3, 0.2])
    assert (failed["state"], failed["error"], "confident" in failed) == ("failed", "why", False)


def test_without_a_threshold_in_the_request_the_rule_of_the_version_adds_a_field() -> None:
    sure, below, _ = (block_item(scored(accept=0, rule=0.9), row, row, None) for row in range(3))
    assert (sure["state"], sure["confident"]) == ("done", True)
    assert (below["state"], below["prediction"], below["confident"], "guesses" in below) == ("done", 4, False, False)


def test_a_single_image_that_timed_out_may_be_unsure() -> None:
    single = single_json("0123456789abcdef-1", "cnn@1", "r", scored(accept=0.9), 1)
    assert (single["state"], single["counts"]) == ("done", Counts(unsure=1))


def test_a_job_whose_answers_are_partly_unsure_is_done() -> None:
    job = counted(10, 9, done=10, unsure=4)
    assert (job.state, job.counts, job.finished) == ("done", Counts(done=6, unsure=4), 10)


def test_only_the_wanted_items_of_a_chunk_are_made() -> None:
    job = counted(10, 2000, done=9, failed=1)
    manifest, block = manifest_of(orjson.dumps({"errors": [[1, "broken"]]})), encode_block(block_of([7, 3, 5]))
    every = list(chunk_items(job, 1, block, manifest))
    assert [item["index"] for item in every] == [4, 5, 6, 7]
    for wanted in (range(6, 7), range(5, 99), range(4)):
        some = list(chunk_items(job, 1, block, manifest, wanted=wanted))
        assert brief(some) == brief([item for item in every if item["index"] in wanted])
