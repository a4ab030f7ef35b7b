import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec import structs

from shared.contract.block import NO_PREDICTION, Block, FinalState, failed_block, keep_best, kept_labels
from shared.contract.block.codec import decode_block, encode_block
from shared.errors import EntryError
from tests.support.thoroughness import examples

bounded = settings(max_examples=examples(200), deadline=None, database=None, derandomize=True)

HEADER: dict[str, Any] = {
    "n": 2,
    "model": "cnn@1",
    "worker": "w1",
    "attempt": 1,
    "batch_images": 8,
    "queue_ms": 1.5,
    "model_ms": 0.25,
    "client": "",
    "faults": [[1, "failed", "why"]],
    "v": 2,
    "labels": 3,
}
PREDICTIONS = np.array([2, NO_PREDICTION], "<u2").tobytes()
RESULTS = PREDICTIONS + np.linspace(0, 1, 6, dtype="<f4").tobytes()
HEADER_1 = {name: value for name, value in HEADER.items() if name not in ("v", "labels")}
RESULTS_1 = bytes([7, 255]) + np.linspace(0, 1, 20, dtype="<f4").tobytes()
STATES: list[FinalState] = ["failed", "expired", "cancelled"]


def packed(header: Any, results: bytes = RESULTS) -> bytes:
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(4, "little") + encoded + results


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    count = draw(st.integers(0, 5))
    labels = draw(st.sampled_from([2, 10, 32, 33, 10_000]))
    top = draw(st.integers(0, 5))
    kept = kept_labels(labels, top)
    fault = st.tuples(st.sampled_from(STATES), st.text())
    return Block(
        predictions=draw(arrays.arrays(np.uint16, count)),
        probabilities=draw(arrays.arrays(np.float32, (count, kept))),
        best_of=labels if labels > 32 else 0,
        best=draw(arrays.arrays(np.uint16, (count, kept))) if labels > 32 else None,
        top=kept if labels > 32 else top,
        scores=draw(st.none() | arrays.arrays(np.float32, count)),
        stages=draw(st.none() | arrays.arrays(np.uint8, count)),
        rule=draw(st.sampled_from([0.0, 0.5])),
        accept=draw(st.sampled_from([0.0, 0.25])),
        model=draw(st.text()),
        worker=draw(st.text()),
        attempt=draw(st.integers(1, 100)),
        batch_images=draw(st.integers(0, 4096)),
        queue_ms=draw(st.integers(0, 10**9)) / 1000,
        model_ms=draw(st.integers(0, 10**9)) / 1000,
        client=draw(st.text(max_size=9)),
        faults=draw(st.dictionaries(st.sampled_from(range(count)), fault) if count else st.just({})),
    )


def assert_same(left: Block, right: Block) -> None:
    np.testing.assert_array_equal(left.predictions, right.predictions, strict=True)
    np.testing.assert_array_equal(left.probabilities, right.probabilities, strict=True)
    for name in ("best", "scores", "stages"):
        assert (getattr(left, name) is None) == (getattr(right, name) is None)
        if getattr(left, name) is not None:
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name), strict=True)
    for name in (*HEADER_1, "label_count", "top", "rule", "accept"):
        if name != "n":
            assert getattr(left, name) == getattr(right, name)


@bounded
@given(blocks())
def test_what_is_encoded_comes_back(block: Block) -> None:
    data = encode_block(block)
    assert_same(decode_block(data), block)
    assert_same(decode_block(memoryview(b"the uid" + data)[7:]), block)


def test_the_header_is_written_as_apis_of_other_versions_read_it() -> None:
    header = json.dumps(HEADER, separators=(",", ":")).encode()
    assert encode_block(decode_block(packed(HEADER))) == len(header).to_bytes(4, "little") + header + RESULTS


def test_the_previous_releases_format_is_read_and_written_for_its_entries() -> None:
    block = decode_block(packed(HEADER_1, RESULTS_1))
    assert block.predictions.tolist() == [7, NO_PREDICTION]
    assert (block.probabilities.shape, block.label_count, block.best) == ((2, 10), 10, None)
    header = json.dumps(HEADER_1, separators=(",", ":")).encode()
    assert encode_block(block, 1) == len(header).to_bytes(4, "little") + header + RESULTS_1
    failed = encode_block(failed_block(2, "cnn@1", "why"), 1)
    assert decode_block(failed).predictions.tolist() == [NO_PREDICTION, NO_PREDICTION]
    with pytest.raises(EntryError, match="not a block"):
        decode_block(packed(HEADER_1, RESULTS))


def test_of_many_labels_the_best_are_kept() -> None:
    probabilities = np.zeros((2, 40), np.float32)
    probabilities[0, [7, 39, 3]] = [0.5, 0.3, 0.2]
    probabilities[1, 5:9] = 0.25
    best, kept = keep_best(probabilities, kept_labels(40, 3))
    assert best.tolist() == [[7, 39, 3], [5, 6, 7]]
    block = Block(np.array([7, 5]), kept, "cnn@1", "w", 1, 2, 0, 0, best=best, best_of=40)
    again = decode_block(encode_block(block))
    assert (again.top, again.dense) == (3, False)
    assert again.best_labels(0) == [(7, 0.5), (39, np.float32(0.3)), (3, np.float32(0.2))]


def test_the_best_of_few_labels_are_found() -> None:
    block = Block(np.array([1]), np.array([[0.1, 0.6, 0.3]], np.float32), "cnn@1", "w", 1, 1, 0, 0)
    assert block.dense
    assert [label for label, _ in block.best_labels(0)] == [1, 2, 0]
    two = structs.replace(block, top=2)
    assert (two.dense, [label for label, _ in two.best_labels(0)]) == (False, [1, 2])


@pytest.mark.parametrize(("labels", "top", "kept"), [(10, 0, 10), (32, 3, 32), (33, 0, 5), (33, 7, 7), (99, 100, 99)])
def test_results_stay_small(labels: int, top: int, kept: int) -> None:
    assert kept_labels(labels, top) == kept


def test_wider_arrays_are_packed_as_they_are_read() -> None:
    block = Block(np.array([3]), np.full((1, 10), 0.5), "cnn@1", "w", 1, 1, 0, 0)
    again = decode_block(encode_block(block))
    assert (again.predictions.dtype.str, again.probabilities.dtype.str) == ("<u2", "<f4")
    assert (again.predictions[0], again.probabilities[0, 9]) == (3, 0.5)


def test_the_arrays_are_views_and_times_have_microseconds() -> None:
    data = packed(HEADER)
    block = decode_block(data)
    assert not block.predictions.flags.owndata
    assert not block.probabilities.flags.owndata
    precise = Block(block.predictions, block.probabilities, "cnn@1", "w", 1, 8, 1.23456, 0.00049)
    again = decode_block(encode_block(precise))
    assert (again.queue_ms, again.model_ms) == (1.235, 0.0)


def test_faults_are_by_position() -> None:
    block = decode_block(packed(HEADER))
    assert block.count == 2
    assert block.faults == {1: ("failed", "why")}
    assert block.predictions.tolist() == [2, NO_PREDICTION]


@pytest.mark.parametrize("missing", HEADER_1)
def test_a_header_that_lacks_a_field_is_refused_by_the_fields_name(missing: str) -> None:
    with pytest.raises(EntryError, match=f"not a block: Object missing required field `{missing}`"):
        decode_block(packed({name: value for name, value in HEADER.items() if name != missing}))


@pytest.mark.parametrize("header", [None, 1, True, "h", [], {}, [HEADER]])
def test_a_header_that_is_no_object_is_refused(header: Any) -> None:
    with pytest.raises(EntryError, match="not a block"):
        decode_block(packed(header))


@pytest.mark.parametrize(
    "count", [True, False, 2.0, "2", None, [2], 0, 1, 3, -1, -2, 2**31, 2**63, 2**64 - 1, -(2**63)]
)
def test_another_count_than_there_are_results_is_refused(count: Any) -> None:
    with pytest.raises(EntryError, match="not a block: "):
        decode_block(packed(HEADER | {"n": count}))


@pytest.mark.parametrize(("count", "results"), [(True, bytes(14)), (1.0, bytes(14)), (-1, b""), (None, b"")])
def test_a_count_that_is_no_number_is_refused_with_any_results(count: Any, results: bytes) -> None:
    with pytest.raises(EntryError, match="not a block"):
        decode_block(packed(HEADER | {"n": count}, results))


@pytest.mark.parametrize(
    "faults",
    [
        *(None, 1, "ab", {"1": "failed"}, [1], [[1, "failed"]], [[1, "failed", "why", 2]], [[[1], "failed", "why"]]),
        *([[at, "failed", "why"]] for at in (-1, 2, 1.0, True, "1", None)),
        *([[1, state, "why"]] for state in ("running", None, 1, ["failed"])),
        *([[1, "failed", reason]] for reason in (None, 1, ["why"])),
    ],
)
def test_faults_of_another_form_are_refused(faults: Any) -> None:
    with pytest.raises(EntryError, match="not a block"):
        decode_block(packed(HEADER | {"faults": faults}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, (7, None, True, ["cnn@1"], {})) for name in ("model", "worker", "client")),
        *((name, ("1", None, True, 1.0, [1])) for name in ("attempt", "batch_images")),
        *((name, ("1", None, True, [1])) for name in ("queue_ms", "model_ms")),
    ],
)
def test_values_of_another_type_are_refused_and_named(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(EntryError, match=rf"not a block: Expected .* - at `\$.{name}"):
            decode_block(packed(HEADER | {name: value}))


@pytest.mark.parametrize("name", HEADER)
def test_lists_in_lists_are_refused_however_deep(name: str) -> None:
    """Python cannot print them."""
    header = packed(HEADER | {name: "deep"})[4 : -len(RESULTS)].replace(b'"deep"', b"[" * 1000 + b"]" * 1000)
    with pytest.raises(EntryError, match="not a block"):
        decode_block(len(header).to_bytes(4, "little") + header + RESULTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@bounded
@given(st.dictionaries(st.sampled_from([*HEADER, "later"]), JSON, min_size=1))
def test_a_header_of_anything_is_a_block_that_can_be_packed_again_or_an_entry_error(changes: dict[str, Any]) -> None:
    try:
        block = decode_block(packed(HEADER | changes))
    except EntryError:
        return
    assert block.count == 2
    decode_block(encode_block(block))


def test_a_block_cut_anywhere_or_with_more_behind_it_is_refused() -> None:
    whole = packed(HEADER)
    for data in (*(whole[:length] for length in range(len(whole))), whole + b"\0", whole + bytes(14)):
        with pytest.raises(EntryError, match="not a block"):
            decode_block(data)


@pytest.mark.parametrize("length", [0, 1, len(packed(HEADER)), 2**32 - 1])
def test_another_length_of_the_header_is_refused(length: int) -> None:
    with pytest.raises(EntryError, match="not a block"):
        decode_block(length.to_bytes(4, "little") + packed(HEADER)[4:])


@bounded
@given(st.binary(max_size=200))
def test_random_bytes_are_no_block(data: bytes) -> None:
    with pytest.raises(EntryError):
        decode_block(data)


@settings(bounded, max_examples=examples(500))
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_block_is_a_block_or_an_entry_error(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(packed(HEADER))
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        block = decode_block(bytes(damaged))
    except EntryError:
        return
    assert len(block.probabilities) == block.count
