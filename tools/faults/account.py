"""The account of a drill: it counts accepted images that are not answered exactly once and correctly. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared.images import Probabilities

FINAL_STATES = frozenset({"done", "unsure", "failed", "expired", "cancelled"})
MAX_ERROR = 1e-4  # largest difference of a probability: rounding depends on the batch size
MAX_NOTES = 20

Item = Mapping[str, Any]  # as in `GET /results/{id}/items`


@dataclass(frozen=True, slots=True)
class Oracle:
    """The correct answers, float32[N,10] by image number, and a part of the reason for each image that must fail.

    `previous` are the answers of the previous release, if its workers run, too.
    """

    expected: Probabilities
    must_fail: Mapping[int, str]
    previous: Probabilities | None = None


@dataclass(slots=True)
class Tally:
    """Counts of images. Notes explain the first of them."""

    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong)

    def add(self, other: "Tally") -> None:
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.wrong += other.wrong
        for note in other.notes:
            self.note(note)

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)


def lost(result_id: str, images: int, why: str) -> Tally:
    return Tally(lost=images, notes=[f"{result_id}: {images} lost: {why}"])


def wrong(text: str) -> Tally:
    return Tally(wrong=1, notes=[text])


def judge(
    result_id: str, numbers: Sequence[int], counts: Mapping[str, int], items: Sequence[Item], oracle: Oracle
) -> Tally:
    """Judge a final request. The item with index i should be the answer to image `numbers[i]`."""
    tally = Tally()
    by_index: dict[int, Item] = {}
    for item in items:
        if item["index"] in by_index or not 0 <= item["index"] < len(numbers):
            tally.duplicated += 1
            tally.note(f"{result_id}: one item too many with index {item['index']}")
        by_index[item["index"]] = item
    finished = sum(counts.values())
    if finished > len(numbers):
        tally.duplicated += finished - len(numbers)
        tally.note(f"{result_id}: counts of {finished} for {len(numbers)} images")
    for index, number in enumerate(numbers):
        found = by_index.get(index)
        if found is None or found["state"] not in FINAL_STATES:
            tally.lost += 1
            tally.note(f"{result_id}: image {index} has {'no item' if found is None else found['state']}")
        elif complaint := complaint_of(number, found, oracle):
            tally.wrong += 1
            tally.note(f"{result_id}: image {index}: {complaint}")
    states = Counter(str(item["state"]) for item in by_index.values())
    if tally.clean and any(counts[state] != states[state] for state in counts):
        tally.wrong += 1
        tally.note(f"{result_id}: counts {dict(counts)} for items {dict(states)}")
    return tally


def judge_forgiven(result_id: str, numbers: Sequence[int], items: Sequence[Item], oracle: Oracle) -> Tally:
    """Judge a final request whose images Redis may have deleted: each item is right, or has failed with a reason."""
    tally = Tally()
    for item in items:
        if item["state"] == "done":
            complaint = complaint_of(numbers[item["index"]], item, oracle)
        else:
            complaint = "" if item["state"] in FINAL_STATES and item["error"] else f"{item['state']}, {item['error']}"
        if complaint:
            tally.wrong += 1
            tally.note(f"{result_id}: image {item['index']}: {complaint}")
    return tally


def complaint_of(number: int, item: Item, oracle: Oracle) -> str:
    """Return the error in the answer to image `number`, empty if it is correct."""
    if number in oracle.must_fail:
        return complaint_of_failure(item, oracle.must_fail[number])
    if item["state"] != "done":
        return f"{item['state']} without a cause: {item['error']}"
    complaint = complaint_of_answer(item["prediction"], item["probabilities"], oracle.expected[number])
    if complaint and oracle.previous is not None:
        return complaint_of_answer(item["prediction"], item["probabilities"], oracle.previous[number])
    return complaint


def complaint_of_failure(item: Item, reason: str) -> str:
    if item["state"] != "failed":
        return f"poisoned, and {item['state']} as {item['prediction']}"
    if not item["error"] or reason not in item["error"]:
        return f"failed with the reason {item['error']!r}, which lacks {reason!r}"
    return ""


def complaint_of_answer(prediction: Any, probabilities: Any, expected: Probabilities) -> str:
    """Compare with the engine's own float32[10]. Two images of one digit differ in their probabilities."""
    if prediction != int(expected.argmax()):
        return f"answered {prediction}, the engine alone says {int(expected.argmax())}"
    actual = np.asarray(probabilities, np.float32)
    if actual.shape != expected.shape or not np.abs(actual - expected).max() <= MAX_ERROR:
        return f"answered {prediction} with the probabilities of another image"
    return ""


def fingerprints(items: Sequence[Item]) -> list[int]:
    """Return a number for each item, which changes with any part of the item."""
    return [hash((item["index"], item["state"], item["prediction"], item["error"], _key(item))) for item in items]


def compare(result_id: str, first: Sequence[int], second: Sequence[int]) -> Tally:
    """Compare two readings of a final result. An item that has changed was answered twice."""
    changed = sum(one != other for one, other in zip(first, second, strict=False)) + abs(len(first) - len(second))
    if not changed:
        return Tally()
    return Tally(duplicated=changed, notes=[f"{result_id}: {changed} items changed after they were final"])


def _key(item: Item) -> tuple[float, ...] | None:
    return tuple(item["probabilities"]) if item["probabilities"] is not None else None
