import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.contract import layers_blob
from shared.contract.layers_blob import LayerOutput, Layers, decode_layers, encode_layers, layer_output
from shared.errors import EntryError
from shared.shapes import IMAGE_BYTES
from tests.support.thoroughness import examples

bounded = settings(max_examples=examples(200), deadline=None, database=None, derandomize=True)

PIXELS = (bytes(range(256)) * 4)[:IMAGE_BYTES]
ROW = ["relu1", "ReLU", [2, 1, 3], "f2", 0.0, 0.5, 1.0, 0.25]
HEADER: dict[str, Any] = {"v": 1, "error": "", "layers": [ROW, ["dense", "Dense", [2], "f4", -1, None, 7, 0]]}
VALUES = np.arange(6, dtype="<f2").tobytes() + np.array([-1, 7], "<f4").tobytes()


def packed_layers(header: Any, values: bytes = VALUES, pixels: bytes = PIXELS) -> bytes:
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(4, "little") + encoded + pixels + values


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
outputs = st.builds(
    layer_output,
    st.text(),
    st.text(),
    arrays.arrays(np.float32, shapes, elements=st.floats(-1000, 1000, width=16, allow_subnormal=False)),
)


def assert_same(left: LayerOutput, right: LayerOutput) -> None:
    assert (left.name, left.class_name, left.summary) == (right.name, right.class_name, right.summary)
    np.testing.assert_array_equal(left.values, right.values)
    assert left.values.shape == right.values.shape


@bounded
@given(st.lists(outputs, max_size=4), st.text())
def test_what_is_encoded_comes_back(made: list[LayerOutput], error: str) -> None:
    data = encode_layers(Layers(PIXELS, made, error))
    for again in (decode_layers(data), decode_layers(memoryview(b"before" + data)[6:])):
        assert (bytes(again.pixels), again.error) == (PIXELS, error)
        for left, right in zip(again.outputs, made, strict=True):
            assert_same(left, right)


def test_values_come_back_as_near_as_float16_is_and_whole_where_it_does_not_reach() -> None:
    near, far = np.array([1 / 3, -7000.5], np.float32), np.array([1e6, 1 / 3], np.float32)
    again = decode_layers(encode_layers(Layers(PIXELS, [layer_output("a", "A", near), layer_output("b", "B", far)])))
    np.testing.assert_allclose(again.outputs[0].values, near, rtol=1e-3)
    np.testing.assert_array_equal(again.outputs[1].values, far)
    assert [output.values.dtype.str for output in again.outputs] == ["<f2", "<f4"]


def test_a_summary_is_of_the_values_before_they_are_rounded() -> None:
    summary = layer_output("a", "A", np.array([[0, 0.12345678], [1e6, -3]], np.float32)).summary
    assert summary == {"min": -3, "mean": pytest.approx(249999.28, rel=1e-5), "max": 1e6, "zeros": 0.25}
    assert layer_output("a", "A", np.array([np.nan, 1], np.float32)).summary["max"] is None


def test_the_arrays_are_views() -> None:
    again = decode_layers(packed_layers(HEADER))
    assert [output.values.tolist() for output in again.outputs] == [[[[0, 1, 2]], [[3, 4, 5]]], [-1, 7]]
    assert not again.outputs[0].values.flags.owndata
    assert again.outputs[1].summary == {"min": -1, "mean": None, "max": 7, "zeros": 0}


def test_more_values_than_are_kept_are_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers_blob, "MAX_VALUES", 5)
    with pytest.raises(EntryError, match="have 6 values, and 5 are kept"):
        encode_layers(Layers(PIXELS, [layer_output("a", "A", np.zeros(6, np.float32))]))
    with pytest.raises(EntryError, match="not a layers blob"):
        decode_layers(packed_layers(HEADER))


@pytest.mark.parametrize("missing", HEADER)
def test_a_header_that_lacks_something_is_refused(missing: str) -> None:
    with pytest.raises(EntryError, match=f"missing required field `{missing}`"):
        decode_layers(packed_layers({name: value for name, value in HEADER.items() if name != missing}))


@pytest.mark.parametrize(
    ("at", "values"),
    [
        (0, (7, None, ["a"])),
        (1, (7, None, {})),
        (2, (6, "6", [], [0], [-2, -3], [2.0, 3], [True, 6], [[6]], [2**40, 2**40], [1 << 20, 1 << 20], [7], None)),
        (3, ("f8", "O", "V6", "", 2, None, ["f2"])),
        (4, ("0", [0], {}, True)),
    ],
)
def test_a_layer_of_other_types_or_shapes_is_refused(at: int, values: tuple[Any, ...]) -> None:
    for value in values:
        row = [*ROW]
        row[at] = value
        with pytest.raises(EntryError, match="not a layers blob"):
            decode_layers(packed_layers(HEADER | {"layers": [row, HEADER["layers"][1]]}))


@pytest.mark.parametrize(
    "header",
    [None, [], "h", HEADER | {"v": 2}, HEADER | {"v": True}, HEADER | {"error": 7}, HEADER | {"layers": [ROW[:5]]}],
)
def test_another_header_is_refused(header: Any) -> None:
    with pytest.raises(EntryError, match="not a layers blob"):
        decode_layers(packed_layers(header))


@pytest.mark.parametrize("cut", [0, 3, 10, 500, -1])
def test_a_blob_that_is_too_short_or_too_long_is_refused(cut: int) -> None:
    whole = packed_layers(HEADER)
    for data in (whole[:cut], whole + b"more"):
        with pytest.raises(EntryError, match="not a layers blob"):
            decode_layers(data)
