import base64
import json
import threading
from typing import Any

import pytest

from api.images.decode import Picture
from api.uploads import ndjson as module
from api.uploads.ndjson import INLINE_BYTES, LINE_EXTRA_BYTES, YIELD_EVERY, ndjson_pictures
from shared.errors import TooLarge
from tests.api.uploads.archives.test_members import FILES, IMAGE_BYTES, PICTURES
from tests.api.uploads.test_body import SIZES, body_of, collect
from tests.support.uploads import ndjson

IMAGE = base64.b64encode(FILES[0][1]).decode()
PIXELS = PICTURES[0].pixels


def line(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def read(data: bytes, size: int = 65536, image_bytes: int = IMAGE_BYTES) -> list[Picture]:
    return collect(ndjson_pictures(body_of(data, size), image_bytes))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
def test_lines_come_in_their_order_with_their_names(end: bytes, size: int) -> None:
    assert read(ndjson(FILES) + end, size) == PICTURES


def test_line_ends_of_windows_are_accepted() -> None:
    assert read(ndjson(FILES).replace(b"\n", b"\r\n")) == PICTURES


def test_more_lines_than_are_read_at_a_time_stay_in_order() -> None:
    records = [{"name": str(number), "image": IMAGE} for number in range(2 * YIELD_EVERY + 3)]
    assert [picture.name for picture in read(b"\n".join(map(line, records)))] == [one["name"] for one in records]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (IMAGE, "line 1"),
        ({"image": IMAGE}, "line 1"),
        ({"image": IMAGE, "name": None}, "line 1"),
        ({"image": IMAGE, "name": "é.png"}, "é.png"),
        ({"image": IMAGE, "name": 7, "more": [1]}, "7"),
        ({"image": IMAGE, "name": ["7.png"]}, "line 1"),
    ],
)
def test_a_line_is_a_record_or_the_image_alone(record: Any, name: str) -> None:
    assert read(line(record)) == [Picture(name, PIXELS)]


def test_a_name_that_is_not_text_is_ignored() -> None:
    data = b'{"image": "%s", "name": %s}' % (IMAGE.encode(), b"[" * 100 + b"7" + b"]" * 100)
    assert read(data) == [Picture("line 1", PIXELS)]


def test_blank_lines_are_skipped_and_not_counted() -> None:
    data = b"\n\r\n  \n" + line(IMAGE) + b"\n\n\n" + line(IMAGE) + b"\n \t\n"
    assert read(data) == [Picture("line 1", PIXELS), Picture("line 2", PIXELS)]
    assert read(b"\n\n") == []


@pytest.mark.parametrize(
    ("bad", "name", "reason"),
    [
        (b"{", "line 2", "not JSON: "),
        (b"nonsense", "line 2", "not JSON: "),
        (IMAGE.encode(), "line 2", "not JSON: "),
        (b"\xff\xfe", "line 2", "not JSON: "),
        (b"[" * 3000, "line 2", 'expected {"image": "<base64>"}'),
        (b'{"image": "\x80"}', "line 2", "not JSON: "),
        (line({"name": "a"}), "a", 'expected {"image": "<base64>"}'),
        (line({"name": "a", "image": 7}), "a", 'expected {"image": "<base64>"}'),
        (line([IMAGE]), "line 2", 'expected {"image": "<base64>"}'),
        (b"null", "line 2", 'expected {"image": "<base64>"}'),
        (line({"name": "a", "image": IMAGE[:-3]}), "a", "not base64: "),
        (line({"name": "a", "image": IMAGE[:8] + "!" + IMAGE[8:]}), "a", "not base64: "),
        (line({"name": "a", "image": "für"}), "a", "not base64: "),
        (line({"name": "a", "image": ""}), "a", "the body is empty"),
        (line({"name": "a", "image": "aGVsbG8="}), "a", "the body (5 bytes) is not an image"),
    ],
)
def test_a_bad_line_fails_alone_with_its_reason(bad: bytes, name: str, reason: str) -> None:
    first, failed, last = read(b"\n".join((line(IMAGE), bad, line(IMAGE))))
    assert (first, last) == (Picture("line 1", PIXELS), Picture("line 3", PIXELS))
    assert failed == Picture(name, None, failed.error)
    assert failed.error.startswith(reason)


def test_an_image_over_the_limit_fails_alone() -> None:
    limit = len(FILES[0][1])
    assert read(line(IMAGE), image_bytes=limit) == [Picture("line 1", PIXELS)]
    assert read(line(IMAGE), image_bytes=limit - 1) == [Picture("line 1", None, f"larger than {limit - 1} bytes")]


@pytest.mark.parametrize("size", SIZES)
def test_a_line_that_no_allowed_image_needs_is_too_large_in_pieces_of_any_size(size: int) -> None:
    limit = 3000 * 4 // 3 + LINE_EXTRA_BYTES
    assert len(read(b"x" * limit + b"\n" + line(IMAGE), size, 3000)) == 2
    with pytest.raises(TooLarge, match=f"a line is longer than {limit} bytes"):
        read(b"x" * (limit + 1) + b"\n" + line(IMAGE), size, 3000)


async def test_a_long_line_is_parsed_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def decode(text: str) -> bytes:
        threads.append(threading.current_thread().name)
        return b""

    monkeypatch.setattr(module, "decode_base64", decode)
    lines = b"\n".join((b'"%b"' % (b"A" * 100), b'"%b"' % (b"A" * INLINE_BYTES)))
    pictures = [picture async for picture in ndjson_pictures(body_of(lines, 5000, 1 << 20), 1 << 20)]
    assert [picture.name for picture in pictures] == ["line 1", "line 2"]
    assert threads[0] == threading.current_thread().name
    assert threads[1].startswith("unpack")
