import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from api.images.decode import Picture
from api.uploads.body import Body
from api.uploads.multipart import MAX_FIELDS, MAX_HEADER_BYTES, SLICE_BYTES, multipart_pictures
from shared.errors import BadUpload
from tests.api.uploads.archives.test_members import FILES, IMAGE_BYTES, PICTURES
from tests.api.uploads.test_body import SIZES, body_of, collect
from tests.support.uploads import Files

BOUNDARY = "------------------------d74496d66958873e"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(headers: str, data: bytes) -> bytes:
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n"


def disposition(name: str) -> str:
    return f'Content-Disposition: form-data; name="files"; filename="{name}"'


def multipart(files: Files) -> bytes:
    parts = [part(f"{disposition(name)}\r\nContent-Type: image/png", data) for name, data in files]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def read(
    data: bytes, size: int = 65536, content_type: str = CONTENT_TYPE, image_bytes: int = IMAGE_BYTES
) -> list[Picture]:
    return collect(multipart_pictures(body_of(data, size), content_type, image_bytes))


@pytest.mark.parametrize("size", SIZES)
def test_parts_come_in_their_order_with_their_file_names(size: int) -> None:
    assert read(multipart(FILES), size) == PICTURES


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (disposition("C:\\digits\\7.png"), "7.png"),  # as old browsers had it
        ("content-disposition: form-data; name=seven", "seven"),
        (f"X-Other: 1\r\n{disposition('7.png')}\r\nX-More: 2", "7.png"),
        ("Content-Type: image/png", ""),
        ('Content-Disposition: form-data; name="files"; filename=""', "files"),
    ],
)
def test_the_name_is_the_file_name_else_the_field_name(headers: str, name: str) -> None:
    data = part(headers, FILES[0][1]) + f"--{BOUNDARY}--".encode()
    assert read(data) == [Picture(name, PICTURES[0].pixels)]


def test_a_boundary_may_be_quoted_and_resemble_the_data() -> None:
    data = multipart([("7.png", b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n\r\n-")])
    (picture,) = read(data, 1, f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"')
    assert picture.error.startswith(f"the body ({len(BOUNDARY) + 8} bytes) is not an image")


@pytest.mark.parametrize("size", SIZES)
def test_an_unreadable_part_fails_alone(size: int) -> None:
    files = [FILES[0], ("notes.txt", b"hello"), ("0.png", b""), ("large.png", bytes(IMAGE_BYTES + 1)), FILES[1]]
    first, text, empty, large, last = read(multipart(files), size)
    assert (first, last) == (PICTURES[0], PICTURES[1])
    assert text == Picture("notes.txt", None, text.error)
    assert text.error.startswith("the body (5 bytes) is not an image")
    assert empty.error.startswith("the body is empty")
    assert large == Picture("large.png", None, f"larger than {IMAGE_BYTES} bytes")


def test_a_part_of_exactly_the_limit_is_read() -> None:
    limit = len(FILES[0][1])
    assert read(multipart(FILES[:1]), image_bytes=limit) == PICTURES[:1]
    assert read(multipart(FILES[:1]), image_bytes=limit - 1)[0].error == f"larger than {limit - 1} bytes"


def test_an_endless_part_is_never_in_memory() -> None:
    data = multipart([("large.png", bytes(20 << 20)), FILES[0]])
    tracemalloc.start()
    try:
        pictures = collect(multipart_pictures(body_of(data, limit_bytes=len(data)), CONTENT_TYPE, IMAGE_BYTES))
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    assert pictures == [Picture("large.png", None, f"larger than {IMAGE_BYTES} bytes"), PICTURES[0]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("missing", [3, 5, 30, 200, 2000])
def test_a_body_that_ends_too_early_is_refused(missing: int, size: int) -> None:
    with pytest.raises(BadUpload, match="the multipart body ends too early"):
        read(multipart(FILES)[:-missing], size)


@pytest.mark.parametrize(
    "data",
    [
        b"x" + multipart(FILES),
        b"--another\r\n\r\n",
        multipart(FILES).replace(b"\r\n\r\n", b"\r\n: no name\r\n\r\n"),
    ],
    ids=["something before", "another boundary", "a header without a name"],
)
def test_a_damaged_body_is_refused(data: bytes) -> None:
    with pytest.raises(BadUpload, match="damaged multipart body"):
        read(data)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", ""])
def test_without_a_boundary_nothing_can_be_read(content_type: str) -> None:
    with pytest.raises(BadUpload, match="without a boundary"):
        read(multipart(FILES), content_type=content_type)


def test_a_boundary_without_end_is_refused() -> None:
    with pytest.raises(BadUpload, match=r"unusable boundary|damaged"):
        read(multipart(FILES), content_type=f"multipart/form-data; boundary={'b' * 5000}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("header", ["X-Long: " + "x" * MAX_HEADER_BYTES, "X" * MAX_HEADER_BYTES + "X: 1"])
def test_a_header_without_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(BadUpload, match="header"):
        read(part(header, FILES[0][1]) + f"--{BOUNDARY}--".encode(), size)


async def test_a_form_of_very_many_fields_is_refused_early() -> None:
    field, file = (part(f'Content-Disposition: form-data; name="a"{more}', b"x") for more in ("", '; filename="7.png"'))
    with pytest.raises(BadUpload, match="fields that are no files"):
        async for _ in multipart_pictures(endless(field), CONTENT_TYPE, IMAGE_BYTES):
            pass
    one_each = (file + field) * (2 * MAX_FIELDS) + f"--{BOUNDARY}--\r\n".encode()
    found = [each async for each in multipart_pictures(body_of(one_each, len(one_each)), CONTENT_TYPE, IMAGE_BYTES)]
    assert len(found) == 2 * MAX_FIELDS


def endless(data: bytes) -> Body:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield data

    return Body(pieces(), 1 << 30)


async def test_a_thousand_parts_in_one_piece_let_other_requests_run() -> None:
    data = part('Content-Disposition: form-data; name="a"', b"") * MAX_FIELDS + f"--{BOUNDARY}--\r\n".encode()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    with pytest.raises(BadUpload, match="no file"):
        async for _ in multipart_pictures(body_of(data, len(data)), CONTENT_TYPE, IMAGE_BYTES):
            pass
    other.cancel()
    assert turns >= len(data) // SLICE_BYTES
