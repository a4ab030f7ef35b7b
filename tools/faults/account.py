"""The account of a drill: every accepted image is answered once, and rightly, or it is counted here. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared.images import Probabilities

FINAL_STATES = frozenset({"done", "failed", "expired", "cancelled"})
MAX_ERROR = 1e-4  # of a probability: batches of other sizes round otherwise
MAX_NOTES = 20

Item = Mapping[str, Any]  # as in `GET /results/{id}/items`


@dataclass(frozen=True, slots=True)
class Oracle:
    """What is right: `expected` float32[N,10], by an image's number; for one that must fail, a part of the reason."""

    expected: Probabilities
    must_fail: Mapping[int, str]


@dataclass(slots=True)
class Tally:
    """Counts of images; a note says what is behind a count, the first ones only."""

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
    """Of one accepted request in a final state: image `numbers[i]` should have answered the item with index i."""
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


def complaint_of(number: int, item: Item, oracle: Oracle) -> str:
    """What is wrong with the item in a final state that answers image `number`; empty for nothing."""
    if number in oracle.must_fail:
        return complaint_of_failure(item, oracle.must_fail[number])
    if item["state"] != "done":
        return f"{item['state']} although nothing asked for it: {item['error']}"
    return complaint_of_answer(item["prediction"], item["probabilities"], oracle.expected[number])


def complaint_of_failure(item: Item, reason: str) -> str:
    if item["state"] != "failed":
        return f"poisoned, and {item['state']} as {item['prediction']}"
    if not item["error"] or reason not in item["error"]:
        return f"failed with the reason {item['error']!r}, which lacks {reason!r}"
    return ""


def complaint_of_answer(prediction: Any, probabilities: Any, expected: Probabilities) -> str:
    """Against the engine's own float32[10]; two images of a digit differ in their probabilities."""
    if prediction != int(expected.argmax()):
        return f"answered {prediction}, the engine alone says {int(expected.argmax())}"
    told = np.asarray(probabilities, np.float32)
    if told.shape != expected.shape or not np.abs(told - expected).max() <= MAX_ERROR:
        return f"answered {prediction} with the probabilities of another image"
    return ""


def fingerprints(items: Sequence[Item]) -> list[int]:
    """A number for each item: another one when anything of it has changed."""
    return [hash((item["index"], item["state"], item["prediction"], item["error"], _key(item))) for item in items]


def compare(result_id: str, first: Sequence[int], second: Sequence[int]) -> Tally:
    """Of two readings of a final result: what changed was answered twice."""
    changed = sum(one != other for one, other in zip(first, second, strict=False)) + abs(len(first) - len(second))
    if not changed:
        return Tally()
    return Tally(duplicated=changed, notes=[f"{result_id}: {changed} items changed after they were final"])


def _key(item: Item) -> tuple[float, ...] | None:
    return tuple(item["probabilities"]) if item["probabilities"] is not None else None
