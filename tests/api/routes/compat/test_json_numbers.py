import contextlib
import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.routes.compat.json_numbers import PIECE_BYTES, read_numbers
from tests.api.uploads.archives.test_zips import max_memory
from tests.support.thoroughness import examples


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1), (2, 28, 28), (2, 28, 28, 1), (1, 2, 3, 4, 5), ()])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_regular_lists_of_every_shape_are_read(shape: tuple[int, ...], dtype: Any) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    read = read_numbers(json.dumps(array.tolist(), indent=1).encode())
    assert read.dtype == dtype
    assert np.array_equal(read, array)


def test_numbers_keep_their_places_where_pieces_end() -> None:
    array = np.random.default_rng(0).integers(0, 256, (PIECE_BYTES // 1000, 784))
    assert np.array_equal(read_numbers(json.dumps(array.tolist()).encode()), array)


@settings(max_examples=examples(200), deadline=None, database=None, derandomize=True)
@given(st.recursive(st.integers(-9, 9), lambda inner: st.lists(inner, max_size=3), max_leaves=12))
def test_what_numpy_cannot_make_an_array_of_is_refused(nested: Any) -> None:
    try:
        expected = np.array(nested)
    except ValueError:
        expected = None
    try:
        read = read_numbers(json.dumps(nested).encode())
    except ValueError:
        assert expected is None or expected.size == 0
    else:  # a list of one number counts as this number: [[1], 2] is read like [[1], [2]]
        assert read.size == len(list(_leaves(nested)))
        assert expected is None or np.array_equal(read, expected)


def _leaves(nested: Any) -> Any:
    return itertools.chain.from_iterable(map(_leaves, nested)) if isinstance(nested, list) else [nested]


COSTLY = {
    "numbers": b"[" + b"0," * 1_000_000 + b"0]",
    "empty lists": b"[" + b"[]," * 700_000 + b"[]]",
    "objects": b"[" + b'{"images":1},' * 150_000 + b"1]",
    "depth": b"[" * 2_000_000 + b"]" * 2_000_000,
}


@pytest.mark.parametrize("name", COSTLY)
def test_memory_stays_within_ten_times_the_text(name: str) -> None:
    with max_memory(10 * len(COSTLY[name]) + (1 << 20)), contextlib.suppress(ValueError):
        read_numbers(COSTLY[name], "images")
