import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.entry import Entry, Origin, images_per_entry
from shared.contract.entry.codec import decode_entry, encode_header, failed_entry
from shared.errors import EntryError
from tests.support.thoroughness import examples

bounded = settings(max_examples=examples(200), deadline=None, database=None, derandomize=True)

FROM_ZERO = st.integers(0, 2**53)
HEADER = {"v": 2, "uid": "ab12", "model": "cnn@1", "at": 1_700_000_000_000_000, "n": 2}
OPTIONAL = ("reply", "chunk", "deadlines", "verbose", "from", "shape", "top", "accept")
PIXELS = bytes(range(256)) * 6 + bytes(32)  # two images
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
ORIGINS = st.builds(Origin, st.sampled_from(["", "r-1", "x" * 128]), st.sampled_from(["", TRACEPARENT]))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    count = draw(st.integers(1, 5))
    return Entry(
        uid=draw(st.text()),
        model=draw(st.text()),
        pixels=draw(st.binary(min_size=784, max_size=784)) * count,
        accepted_us=draw(FROM_ZERO),
        reply=draw(st.text()),
        chunk=draw(st.none() | FROM_ZERO),
        deadlines_ms=draw(st.just(()) | st.tuples(*[FROM_ZERO] * count)),
        origins=draw(st.dictionaries(st.integers(0, count - 1), ORIGINS)),
        shape=draw(st.sampled_from([(28, 28, 1), (14, 56, 1), (784, 1, 1)])),
        top=draw(st.integers(0, 100)),
        accept=draw(st.sampled_from([None, -1.0, 0.0, 0.25, 1.0])),
    )


def fields_of(header: Any, pixels: bytes = PIXELS) -> dict[bytes, bytes]:
    return {b"h": json.dumps(header).encode(), b"x": pixels}


@bounded
@given(entries())
def test_what_is_encoded_comes_back(entry: Entry) -> None:
    assert decode_entry({b"h": encode_header(entry), b"x": bytes(entry.pixels)}) == entry


def test_the_header_is_written_as_workers_of_other_versions_read_it() -> None:
    single = Entry(
        "ab12", "cnn@1", PIXELS, 17, "reply:a", None, (0, 5), "alice", origins={1: Origin("r-1", TRACEPARENT)}
    )
    assert encode_header(single) == (
        b'{"v":2,"uid":"ab12","model":"cnn@1","at":17,"n":2,"reply":"reply:a","deadlines":[0,5],"client":"alice",'
        b'"from":[[1,"r-1","' + TRACEPARENT.encode() + b'"]]}'
    )
    chunk = Entry("j1", "cnn@1", PIXELS[:784], 17, chunk=0, verbose=True)
    assert encode_header(chunk) == b'{"v":2,"uid":"j1","model":"cnn@1","at":17,"n":1,"chunk":0,"verbose":true}'


def test_a_header_names_what_is_not_usual() -> None:
    entry = Entry("ab12", "parts@1", bytes(2 * 12), 17, shape=(2, 2, 3), top=7, accept=0.5)
    header = b'{"v":2,"uid":"ab12","model":"parts@1","at":17,"n":2,"shape":[2,2,3],"top":7,"accept":0.5}'
    assert encode_header(entry) == header
    assert decode_entry({b"h": header, b"x": bytes(24)}).images.shape == (2, 2, 2, 3)
    grey = Entry("ab12", "parts@1", bytes(12), 17, shape=(2, 3, 1))
    assert (grey.count, grey.images.shape) == (2, (2, 2, 3))
    again = encode_header(Entry("a", "cnn@1", PIXELS, 1, shape=tuple(map(int, ["28", "28", "1"]))))  # type: ignore[arg-type]
    assert b"shape" not in again


def test_an_entry_of_the_previous_release_is_read() -> None:
    entry = decode_entry(fields_of(HEADER | {"v": 1}))
    assert (entry.format, entry.count, entry.shape, entry.top, entry.accept) == (1, 2, (28, 28, 1), 0, None)
    assert failed_entry(fields_of(HEADER | {"v": 1}, b"")).format == 1
    assert failed_entry(fields_of(HEADER | {"v": 9}, b"")).format == 2


@pytest.mark.parametrize(
    "shape", [[28, 28], [0, 28, 1], [28, 28, 2], [28, 28, 4], [5000, 1, 1], [1024, 1025, 1], 784, [1.5, 28, 1]]
)
def test_a_shape_that_no_version_has_is_refused(shape: Any) -> None:
    with pytest.raises(EntryError, match="not an entry"):
        decode_entry(fields_of(HEADER | {"shape": shape}))


def test_an_entry_is_bounded_by_bytes_but_takes_an_image() -> None:
    assert images_per_entry(784, 256) == 256
    assert images_per_entry(96 * 96 * 3, 256) == 18
    assert images_per_entry(1 << 20, 256) == 1


def test_the_images_of_an_entry_are_a_view_of_its_pixels() -> None:
    entry = decode_entry(fields_of(HEADER))
    assert entry.images.shape == (2, 28, 28)
    assert entry.images.tobytes() == PIXELS
    assert not entry.images.flags.owndata


def test_an_entry_may_be_of_any_kind_of_bytes() -> None:
    for pixels in (bytearray(PIXELS), memoryview(PIXELS)):
        entry = Entry("ab12", "cnn@1", pixels, 1)
        assert entry.count == 2
        assert decode_entry({b"h": encode_header(entry), b"x": PIXELS}).count == 2


def test_what_is_not_said_has_its_default_and_what_is_not_known_is_passed_over() -> None:
    entry = decode_entry(fields_of(HEADER | {"later": [1]}))
    assert (entry.reply, entry.chunk, entry.deadlines_ms) == ("", None, ())


def test_the_first_chunk_is_a_chunk() -> None:
    assert decode_entry({b"h": encode_header(Entry("j1", "cnn@1", PIXELS, 1, chunk=0)), b"x": PIXELS}).chunk == 0


@pytest.mark.parametrize("missing", HEADER)
def test_a_header_that_lacks_a_field_is_refused_by_the_fields_name(missing: str) -> None:
    with pytest.raises(EntryError, match=f"not an entry: Object missing required field `{missing}`"):
        decode_entry(fields_of({name: value for name, value in HEADER.items() if name != missing}))


@pytest.mark.parametrize("missing", [b"h", b"x"])
def test_fields_that_are_not_there_are_refused(missing: bytes) -> None:
    with pytest.raises(EntryError, match="not an entry: there is no field"):
        decode_entry({name: value for name, value in fields_of(HEADER).items() if name != missing})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("v", (True, 1.0, "1", None, [], -1)),
        ("uid", (7, None, True, ["ab12"], {})),
        ("model", (7, None, True, ["cnn@1"], {})),
        ("at", (True, 1.5, "1", None, [], -1, 2**70)),
        ("n", (True, 2.0, "2", None, [2], -2)),
        ("reply", (7, None, True, [], {})),
        ("chunk", (True, 1.0, "1", None, [], -1)),
        ("top", (True, 1.5, "1", None, [], -1, 101)),
        ("accept", (True, "1", None, [], -1.5, 1.5)),
        ("verbose", (1, 0, "true", None, [], {})),
        ("deadlines", (True, 2, None, "ab", [1, None], [1, True], [1, "2"], [1, 2.0], [1, -1], [[1], [2]], {"1": 2})),
    ],
)
def test_values_of_another_type_or_below_zero_are_refused(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(EntryError, match=rf"not an entry: Expected .* - at `\$.{name}"):
            decode_entry(fields_of(HEADER | {name: value}))


def test_an_image_goes_by_what_its_request_brought_else_by_its_own_id_and_a_jobs_by_the_jobs() -> None:
    origins = {1: Origin("brought", TRACEPARENT)}
    singles = Entry("ab12", "cnn@1", PIXELS, 1, origins=origins)
    assert [singles.request_id(position) for position in range(2)] == ["ab12-0", "brought"]
    assert [singles.origin(position).traceparent for position in range(2)] == ["", TRACEPARENT]
    chunk = Entry("j12", "cnn@1", PIXELS, 1, chunk=3, origins={0: Origin("brought")})
    assert [chunk.request_id(position) for position in range(2)] == ["brought", "brought"]
    assert Entry("j12", "cnn@1", PIXELS, 1, chunk=3).request_id(1) == "j12"


def test_an_entry_without_origins_is_as_small_as_ever() -> None:
    assert b"from" not in encode_header(Entry("ab12", "cnn@1", PIXELS, 1))


@pytest.mark.parametrize(
    "origins",
    [
        [[2, "r", ""]],
        [[0, "a b", ""]],
        [[0, "x" * 129, ""]],
        [[0, "r\n", ""]],
        [[0, "r", "00-abc"]],
        [[0, "r", f"00-{'0' * 32}-{'b' * 16}-01"]],
        [[0, "r"]],
        [[0, 7, ""]],
        [[-1, "r", ""]],
        [7],
        {"0": "r"},
        7,
    ],
)
def test_origins_that_nobody_can_have_written_are_refused(origins: Any) -> None:
    with pytest.raises(EntryError, match="not an entry"):
        decode_entry(fields_of(HEADER | {"from": origins}))


@pytest.mark.parametrize("header", [None, 1, True, "h", [], {}, [HEADER]])
def test_a_header_that_is_no_object_is_refused(header: Any) -> None:
    with pytest.raises(EntryError, match="not an entry"):
        decode_entry(fields_of(header))


@pytest.mark.parametrize("name", [*HEADER, *OPTIONAL])
def test_lists_in_lists_are_refused_however_deep(name: str) -> None:
    """Python cannot print them."""
    header = fields_of(HEADER | {name: "deep"})[b"h"].replace(b'"deep"', b"[" * 1000 + b"]" * 1000)
    with pytest.raises(EntryError, match="not an entry: Expected"):
        decode_entry({b"h": header, b"x": PIXELS})


def test_another_format_is_refused_and_named() -> None:
    with pytest.raises(EntryError, match="entry format 3, this release reads 1, 2"):
        decode_entry(fields_of(HEADER | {"v": 3}))


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1568), (3, 1568), (2, 1567), (2, 1569), (2, 0), (0, 0), (0, 100), (2**64 - 1, 1568)]
)
def test_another_count_than_the_pixels_have_is_refused_and_both_are_named(count: int, size: int) -> None:
    with pytest.raises(EntryError, match=f"entry says {count} images and carries {size} bytes of pixels"):
        decode_entry(fields_of(HEADER | {"n": count}, (PIXELS + b"more")[:size]))


def test_a_verbose_entry_has_one_image() -> None:
    entry = Entry("ab12", "cnn@1", PIXELS[:784], 1, verbose=True)
    assert decode_entry({b"h": encode_header(entry), b"x": PIXELS[:784]}) == entry
    assert not decode_entry(fields_of(HEADER)).verbose
    with pytest.raises(EntryError, match="a verbose entry has one image, this one 2"):
        decode_entry(fields_of(HEADER | {"verbose": True}))


@pytest.mark.parametrize("deadlines", [[1], [1, 2, 3]])
def test_there_is_a_deadline_for_each_image_or_for_none(deadlines: list[int]) -> None:
    with pytest.raises(EntryError, match=f"entry of 2 images has {len(deadlines)} deadlines"):
        decode_entry(fields_of(HEADER | {"deadlines": deadlines}))


@bounded
@given(header=st.binary(max_size=200), pixels=st.binary(max_size=10))
def test_random_bytes_are_no_entry(header: bytes, pixels: bytes) -> None:
    with pytest.raises(EntryError):
        decode_entry({b"h": header, b"x": pixels})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@bounded
@given(st.dictionaries(st.sampled_from([*HEADER, *OPTIONAL]), JSON, min_size=1))
def test_a_header_of_anything_is_an_entry_or_an_entry_error(changes: dict[str, Any]) -> None:
    try:
        entry = decode_entry(fields_of(HEADER | changes))
    except EntryError:
        return
    assert entry.count == 2
