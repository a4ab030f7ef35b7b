import pytest

from api.uploads.formats import SNIFF_BYTES, TAR_MAGIC_OFFSET, Format, format_of, format_of_content_type


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=x", "multipart"),
        ("application/zip", "zip"),
        ("application/x-zip-compressed", "zip"),
        ("application/x-tar", "tar"),
        ("application/x-ndjson", "ndjson"),
        ("application/jsonl; charset=utf-8", "ndjson"),
        ("application/x-npy", "npy"),
        ("application/x-idx", "idx"),
        ("Application/ZIP ;x=y", "zip"),
    ],
)
def test_a_content_type_identifies_the_format_with_any_case_and_parameters(content_type: str, expected: Format) -> None:
    assert format_of_content_type(content_type) == expected


@pytest.mark.parametrize(
    "content_type",
    ["", ";", "application/octet-stream", "application/x-www-form-urlencoded", "application/gzip", "image/png"],
)
def test_other_content_types_identify_no_format(content_type: str) -> None:
    assert format_of_content_type(content_type) is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"PK\x03\x04rest", "zip"),
        (b"PK\x05\x06", "zip"),  # an empty one
        (b"\x93NUMPY\x01\0", "npy"),
        (b"\0\0\x08\x03\0\0\0\x0a", "idx"),
        (bytes(TAR_MAGIC_OFFSET) + b"ustar\x0000", "tar"),
        (b"7.png".ljust(TAR_MAGIC_OFFSET, b"\0") + b"ustar  \0", "tar"),
        (b'{"image": ""}', "ndjson"),
        (b'\r\n "aGVsbG8="', "ndjson"),
    ],
)
def test_the_first_bytes_identify_the_format(head: bytes, expected: Format) -> None:
    assert len(head) <= SNIFF_BYTES
    assert format_of(head) == expected


@pytest.mark.parametrize(
    "head",
    [b"", b"PK", b"\x93NUMP", b"\x89PNG\r\n\x1a\n", b"\0\0\x0d\x03", b"[1, 2]", b"--boundary\r\n", b"ustar", b" \n"],
)
def test_unknown_first_bytes_identify_no_format(head: bytes) -> None:
    assert format_of(head) is None
