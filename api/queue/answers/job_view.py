"""The JSON of jobs and items, computed from the data in Redis without I/O."""

import itertools
import sys
from collections.abc import Iterator, Sequence

from api.queue.answers import replies
from api.queue.answers.answer_json import answer_json, best_labels, labelled_answer, number_json
from shared.contract.block import Block
from shared.contract.block.codec import decode_block
from shared.contract.job import MANIFEST_CODEC, Counts, Job, JobState, Manifest, NumberLine
from shared.errors import EntryError, EntryFormatError, NotFound
from shared.numbers.guesses import threshold_of
from shared.numbers.reading import window_outputs
from shared.numbers.roster import Roster, roster_of
from shared.shapes import WINDOW_LABELS

EVERY_ITEM = range(sys.maxsize)


def job_json(job: Job, now_ms: float) -> replies.Job:
    """Return the response of `GET /results/{id}`."""
    progress = job.finished / job.total if job.total else 0.0
    elapsed_s = max(0.0, ((job.finished_ms or now_ms) - job.created_ms) / 1e3)
    eta_s = None
    if job.finished_ms is not None:
        eta_s = 0.0
    elif job.finished and job.total:
        eta_s = round(elapsed_s / job.finished * (job.total - job.finished), 3)
    return {
        "id": job.id,
        "state": job.state,
        "total": job.total,
        "counts": job.counts,
        "model": job.model,
        "progress": round(progress, 4),
        "elapsed_s": round(elapsed_s, 3),
        "eta_s": eta_s,
        "request_id": job.request_id,
        "reason": job.reason,
        "callback": job.callback,
        "links": {"self": f"/results/{job.id}", "items": f"/results/{job.id}/items"},
    }


def single_json(single_id: str, model: str, request_id: str, block: Block | None, position: int) -> replies.Job:
    """Return the response of `GET /results/{id}` for a single image whose request timed out."""
    state = "queued" if block is None else block.state(position)
    counts = Counts() if state == "queued" else Counts(**{state: 1})
    final: JobState = "done_with_errors" if state == "failed" else "done" if state == "unsure" else state
    return {
        "id": single_id,
        "state": final,
        "total": 1,
        "counts": counts,
        "model": model,
        "progress": float(block is not None),
        "eta_s": None if block is None else 0.0,
        "request_id": request_id,
        "links": {"self": f"/results/{single_id}", "items": f"/results/{single_id}/items"},
    }


def manifest_of(data: bytes | None) -> Manifest:
    """Return the manifest of a chunk. A chunk without names, errors and numbers has none in Redis."""
    return MANIFEST_CODEC.decode(data) if data else Manifest()


def chunk_items(
    job: Job,
    chunk: int,
    block_data: bytes | None,
    manifest: Manifest,
    labels: Sequence[str] | None = None,
    wanted: range = EVERY_ITEM,
) -> Iterator[replies.Item]:
    """Yield the `wanted` items of a chunk in input order. Items without a result are `queued`, or as their job ended.

    Items of a damaged block have failed. Raises EntryFormatError if the block has another format, and NotFound if a
    part of the chunk is gone, because Redis has evicted it or its time to live has ended. `labels` are the names of
    the version's labels, if the items should have them. An item of a number takes tens of milliseconds.
    """
    start = chunk * job.chunk_images
    count = max(0, min(job.chunk_images, (job.total or 0) - start))
    unreadable = dict(manifest.errors)
    block, reason = _block_or_reason(block_data)
    if count and not (reason or _is_complete(job, count, manifest, block)):
        raise NotFound(f"the results of {job.id!r} are gone")
    labelled = labels is not None
    unanswered = (job.state if job.state in ("cancelled", "expired", "failed") else "queued"), job.reason
    state, why = ("failed", reason) if reason else unanswered
    lines, roster = iter(manifest.numbers), roster_of(job.among.split(",")) if job.among else None
    next_row = 0
    for position in range(count):
        index, row = start + position, next_row
        line = None if position in unreadable else next(lines, None)
        next_row += line.windows if line else position not in unreadable
        if index not in wanted:
            continue
        name = manifest.names[position] if manifest.names else None
        if position in unreadable:
            yield _item(index, name, "failed", unreadable[position], labelled)
        elif block is None:
            yield _item(index, name, state, why, labelled)
        elif line:
            yield _number_item(block, row, index, name, line, roster, job.accept)
        else:
            yield block_item(block, row, index, name, labels)


def _block_or_reason(data: bytes | None) -> tuple[Block | None, str]:
    """Return the block of a chunk, or the reason why it cannot be read. Raises EntryFormatError."""
    try:
        return (decode_block(data) if data else None), ""
    except EntryFormatError:
        raise
    except EntryError as error:
        return None, f"its result cannot be read: {error}"


def _is_complete(job: Job, count: int, manifest: Manifest, block: Block | None) -> bool:
    """Return whether a chunk of `count` items has the results that it must have. A chunk that still waits has none."""
    if block is None:
        return job.state not in ("done", "done_with_errors") or len(manifest.errors) == count
    return block.count == (sum(line.windows for line in manifest.numbers) or count - len(manifest.errors))


def index_of_row(chunk: int, chunk_images: int, manifest: Manifest, row: int) -> int:
    """Return the index of the item of a row. Unreadable images have no row in the chunk, and numbers have several."""
    unreadable = {position for position, _ in manifest.errors}
    readable = (position for position in itertools.count() if position not in unreadable)
    if manifest.numbers:
        ends = itertools.accumulate(line.windows for line in manifest.numbers)
        row = sum(end <= row for end in ends)
    return chunk * chunk_images + next(itertools.islice(readable, row, None))


def block_item(
    block: Block, row: int, index: int, name: str | None, labels: Sequence[str] | None = None
) -> replies.Item:
    """Return a row of a block as an item. `probabilities` is float32[K], which the JSON encoder supports."""
    labelled = labels is not None
    if row in block.faults:
        state, reason = block.faults[row]
        return _item(index, name, state, reason, labelled)
    item = _item(index, name, "done")
    if labels is None:
        item = {**item, **answer_json(block, row), "probabilities": block.probabilities[row]}
    else:
        best = best_labels(block, row, labels)
        item = {**item, **labelled_answer(block, row, labels, best)}
        if not block.dense:
            item["best"] = best
    if (stage := block.stage(row)) is not None:
        item["stage"] = stage
    return item


def _number_item(
    block: Block,
    first: int,
    index: int,
    name: str | None,
    line: NumberLine,
    roster: Roster | None,
    accept: float | None,
) -> replies.Item:
    """Return the item of a number, whose windows are the rows from `first` on."""
    rows = slice(first, first + line.windows)
    faults = [block.faults[row] for row in range(rows.start, rows.stop) if row in block.faults]
    if faults:
        state, reason = max(faults)  # "failed" before "expired"
        return _item(index, name, state, error=reason)
    if block.label_count != len(WINDOW_LABELS) or block.scores is None:
        return _item(index, name, "failed", error=f"{block.model} reads no numbers")
    views = window_outputs(line, block.probabilities[rows], block.scores[rows])
    threshold = threshold_of(accept, block.rule)
    return {**_item(index, name, "done"), **number_json(line, views, roster, block.rule, threshold)}


def queued_item(labelled: bool = False) -> replies.Item:
    """Return the item of a single image that has no result yet."""
    return _item(0, None, "queued", labelled=labelled)


def _item(
    index: int, name: str | None, state: replies.ItemState, error: str | None = None, labelled: bool = False
) -> replies.Item:
    item: replies.Item = {
        "index": index,
        "name": name,
        "state": state,
        "prediction": None,
        "probabilities": None,
        "error": error,
    }
    if labelled:
        item["label"] = item["confidence"] = None
    return item
