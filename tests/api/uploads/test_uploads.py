import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.uploads import Limits, read_upload
from api.uploads.chunk import Chunk
from shared.config.settings import Settings
from shared.errors import BadUpload, RequestError, TooLarge, UnknownFormat
from tests.api.uploads.archives.test_members import FILES
from tests.api.uploads.test_arrays import IMAGES, npy_of_shape
from tests.api.uploads.test_body import SIZES, collect, in_pieces
from tests.api.uploads.test_multipart import CONTENT_TYPE, multipart
from tests.support.thoroughness import examples
from tests.support.uploads import Files, idx, ndjson, npy, tarred, zipped

pytestmark = pytest.mark.filterwarnings("ignore:::PIL", "ignore:::numpy")

bounded = settings(max_examples=examples(200), deadline=None, database=None)

LIMITS = Limits(chunk_images=4, job_images=1000, image_bytes=5000, upload_bytes=1 << 20, unpack_ratio=200)
OF_FILES: dict[str, Callable[[Files], bytes]] = {"zip": zipped, "tar": tarred, "ndjson": ndjson, "multipart": multipart}
UPLOADS = {name: write(FILES) for name, write in OF_FILES.items()} | {"npy": npy(IMAGES), "idx": idx(IMAGES)}
GZIPPED = gzip.compress(b"hello", mtime=0)  # the same in each process: it is a test's name
CONTENT_TYPES = {
    "zip": "application/zip",
    "tar": "application/x-tar",
    "ndjson": "application/x-ndjson",
    "multipart": CONTENT_TYPE,
    "npy": "application/x-npy",
    "idx": "application/x-idx",
}


def read(data: bytes, content_type: str = "", size: int = 65536, limits: Limits = LIMITS) -> list[Chunk]:
    return collect(read_upload(in_pieces(data, size), content_type, limits))


def expected(name: str) -> list[Chunk]:
    names = [file_name for file_name, _ in FILES]
    return [
        Chunk(IMAGES[start : start + 4].tobytes(), count, names[start : start + 4] if name in OF_FILES else None)
        for start, count in ((0, 4), (4, 4), (8, 2))
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", UPLOADS)
def test_every_format_gives_the_same_chunks_in_pieces_of_any_size(name: str, packed: bool, size: int) -> None:
    data = gzip.compress(UPLOADS[name]) if packed else UPLOADS[name]
    assert read(data, CONTENT_TYPES[name], size) == expected(name)


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("name", sorted(UPLOADS.keys() - {"multipart"}))
def test_the_first_bytes_identify_the_format_if_the_content_type_does_not(name: str, content_type: str) -> None:
    assert read(UPLOADS[name], content_type) == expected(name)
    assert read(gzip.compress(UPLOADS[name]), content_type) == expected(name)


@pytest.mark.parametrize("name", OF_FILES)
def test_a_bad_image_in_the_middle_has_its_position_and_reason_and_no_pixels(name: str) -> None:
    files = [*FILES[:5], ("digits/notes.txt", b"hello"), *FILES[5:]]
    first, second, third = read(OF_FILES[name](files), CONTENT_TYPES[name])
    assert first == expected(name)[0]
    assert second.errors.keys() == {1}
    assert second.errors[1].startswith("the body (5 bytes) is not an image")
    assert second.pixels == IMAGES[[4, 5, 6]].tobytes()
    assert second.names == [files[at][0] for at in (4, 5, 6, 7)]
    assert third == Chunk(IMAGES[7:].tobytes(), 3, [file_name for file_name, _ in FILES[7:]])


@pytest.mark.parametrize("packed", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
@pytest.mark.parametrize("content_type", ["", *CONTENT_TYPES.values()])
def test_an_empty_body_is_refused_in_every_format(content_type: str, packed: bytes) -> None:
    with pytest.raises(BadUpload, match=r"the body is empty: expected multipart.form-data, a zip"):
        read(packed, content_type)


@pytest.mark.parametrize("name", OF_FILES)
def test_an_upload_without_images_is_refused(name: str) -> None:
    with pytest.raises(BadUpload, match=r"the (upload has no images|form has no file)"):
        read(OF_FILES[name]([]) + b"\n" * (name == "ndjson"), CONTENT_TYPES[name])


@pytest.mark.parametrize("data", [FILES[0][1], b"hello", b"[]", GZIPPED, gzip.compress(GZIPPED, mtime=0)])
def test_another_format_is_unknown_and_the_error_lists_the_known_ones(data: bytes) -> None:
    with pytest.raises(UnknownFormat, match=r"zip or tar archive, .npy or IDX .* got image/png starting with b'"):
        read(data, "image/png")


@pytest.mark.parametrize("name", sorted(UPLOADS.keys() - {"multipart"}))
def test_the_first_bytes_count_and_not_a_wrong_content_type(name: str) -> None:
    another = "npy" if name != "npy" else "zip"
    if name == "ndjson":
        assert read(UPLOADS[name], CONTENT_TYPES[another]) == expected(name)
    else:
        assert read(UPLOADS[another], CONTENT_TYPES[name]) == expected(another)
    with pytest.raises(BadUpload):
        read(UPLOADS[another], CONTENT_TYPES["multipart"])


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.7])
def test_a_format_with_an_end_is_refused_when_cut_before_it(name: str, part: float) -> None:
    data = UPLOADS[name] if name != "ndjson" else gzip.compress(UPLOADS[name])
    with pytest.raises(BadUpload):
        read(data[: int(len(data) * part)], CONTENT_TYPES[name])


@pytest.mark.parametrize("name", UPLOADS)
def test_a_body_over_the_limit_is_too_large_in_every_format(name: str) -> None:
    size = len(UPLOADS[name])
    assert read(UPLOADS[name], CONTENT_TYPES[name], limits=replace(LIMITS, upload_bytes=size)) == expected(name)
    with pytest.raises(TooLarge, match=f"the body is larger than {size - 1} bytes"):
        read(UPLOADS[name], CONTENT_TYPES[name], limits=replace(LIMITS, upload_bytes=size - 1))


@pytest.mark.parametrize("name", ["npy", "ndjson", "tar", "multipart"])
def test_a_gzip_bomb_is_too_large_once_unpacked(name: str) -> None:
    bombs = {"npy": npy(np.zeros((100_000, 28, 28), np.uint8)), "ndjson": b"\n" * 10**7, "tar": bytes(10**7)}
    bomb = gzip.compress(bombs.get(name, UPLOADS["multipart"][:300] + bytes(10**7)), 1)
    assert len(bomb) < LIMITS.upload_bytes
    with pytest.raises(TooLarge, match="the body is larger than 1048576 bytes"):
        read(bomb, CONTENT_TYPES[name], limits=replace(LIMITS, job_images=100_000))


@pytest.mark.parametrize("name", UPLOADS)
def test_more_images_than_a_job_may_have_are_too_large(name: str) -> None:
    assert read(UPLOADS[name], CONTENT_TYPES[name], limits=replace(LIMITS, job_images=10)) == expected(name)
    with pytest.raises(TooLarge, match="at most 9 images"):
        read(UPLOADS[name], CONTENT_TYPES[name], limits=replace(LIMITS, job_images=9))


@pytest.mark.parametrize("name", OF_FILES)
def test_an_image_over_the_limit_fails_alone(name: str) -> None:
    largest = max(len(data) for _, data in FILES)
    files = [*FILES, ("large.png", FILES[0][1] + bytes(largest))]
    last = read(OF_FILES[name](files), CONTENT_TYPES[name], limits=replace(LIMITS, image_bytes=largest))[-1]
    assert last.errors == {2: f"larger than {largest} bytes"}
    assert last.pixels == IMAGES[8:].tobytes()


def test_a_zip_member_that_unpacks_to_much_fails_alone_and_is_never_in_memory() -> None:
    body = zipped([("bomb.png", bytes(100 << 20)), FILES[0]])
    tracemalloc.start()
    try:
        (chunk,) = read(body)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    assert chunk == Chunk(IMAGES[0].tobytes(), 2, ["bomb.png", FILES[0][0]], {0: "larger than 5000 bytes"})


def test_the_limits_are_those_of_the_settings() -> None:
    chosen = Settings(bulk_entry_images=1, max_job_images=2, max_image_bytes=3, max_upload_bytes=4, max_unpack_ratio=5)
    assert Limits.of(chosen) == Limits(chunk_images=1, job_images=2, image_bytes=3, upload_bytes=4, unpack_ratio=5)


def test_a_large_array_streams_through_little_memory() -> None:
    count = (64 << 20) // 784
    piece = bytes(65536)

    async def pieces() -> AsyncIterator[bytes]:
        yield npy_of_shape(f"({count}, 28, 28)")
        for start in range(0, count * 784, len(piece)):
            yield piece[: count * 784 - start]

    async def images() -> AsyncIterator[int]:
        async for chunk in read_upload(pieces(), "", Limits(256, count, 5000, 1 << 30, 200)):
            yield chunk.count

    tracemalloc.start()
    try:
        assert sum(collect(images())) == count
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def read_or_refuse(data: bytes, content_type: str, size: int) -> None:
    """Read the upload. Errors other than the documented ones fail the test."""
    try:
        chunks = read(data, content_type, size)
    except RequestError:
        return
    assert chunks
    for chunk in chunks:
        assert len(chunk.pixels) == 784 * (chunk.count - len(chunk.errors))


@bounded
@given(
    start=st.sampled_from([b"", *(data[:length] for data in UPLOADS.values() for length in (4, 60, 300))]),
    rest=st.binary(max_size=1000),
    content_type=st.sampled_from(["", *CONTENT_TYPES.values()]),
    packed=st.booleans(),
)
def test_random_bytes_raise_request_errors_and_nothing_else(
    start: bytes, rest: bytes, content_type: str, packed: bool
) -> None:
    data = gzip.compress(start + rest) if packed else start + rest
    read_or_refuse(data, content_type, 100)


@pytest.mark.slow
@settings(bounded, max_examples=examples(500))
@given(
    name=st.sampled_from(sorted(UPLOADS)),
    changes=st.lists(st.tuples(st.integers(-1500, 1500), st.binary(min_size=1, max_size=4)), max_size=6),
    cut=st.integers(0, 100),
)
def test_a_damaged_upload_is_read_or_refused(name: str, changes: list[tuple[int, bytes]], cut: int) -> None:
    damaged = bytearray(UPLOADS[name])
    for at, change in changes:
        damaged[at % len(damaged) : at % len(damaged) + len(change)] = change
    read_or_refuse(bytes(damaged[: len(damaged) - cut]), CONTENT_TYPES[name], 65536)
