"""A zip's directory is read a part at a time: a million entries would be a gigabyte in zipfile's hands."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.images.decode import Picture
from api.uploads import zip_directory
from api.uploads.zip_directory import END, END_64, LOCATOR_64, entries_of, find_directory
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.test_archives import FILES, PICTURES, read_zip, zipped

MANY = 8_000
ENTRY = struct.Struct("<4s6H3L5H2L")


def directory_of(count: int, name_bytes: int) -> io.BytesIO:
    """An archive of `count` entries, in zip64, that has nothing but its directory."""
    head = ENTRY.pack(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, name_bytes, 0, 0, 0, 0, 0, 0)
    entries = b"".join(head + b"%0*d" % (name_bytes, number) for number in range(count))
    end_64 = END_64.pack(b"PK\6\6", END_64.size - 12, 45, 45, 0, 0, count, count, len(entries), 0)
    locator = LOCATOR_64.pack(b"PK\6\7", 0, len(entries), 1)
    return io.BytesIO(entries + end_64 + locator + END.pack(b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0))


@contextmanager
def memory_of_at_most(most_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


def test_a_directory_of_many_entries_is_never_whole_in_memory() -> None:
    file = directory_of(MANY, 200)
    with memory_of_at_most(5 << 20):
        directory = find_directory(file, MANY)
        assert directory.pictures == MANY
        names = (info.filename for _, info in entries_of(file, directory))
        assert sum(1 for name in names if name.isdecimal()) == MANY


def test_entries_as_large_as_can_be_are_read_a_few_at_a_time() -> None:
    file = directory_of(MANY, 1000)
    with memory_of_at_most(8 << 20):
        assert sum(1 for _ in entries_of(file, find_directory(file, MANY))) == MANY


@pytest.mark.parametrize("at_a_time", [1, 3, 10, 11])
def test_the_members_come_in_order_whatever_the_size_of_the_parts(
    at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_directory, "ENTRIES_AT_A_TIME", at_a_time)
    assert read_zip(zipped(FILES)) == PICTURES


def test_an_archive_behind_something_else_is_read_as_ever() -> None:
    assert read_zip(b"#!/bin/sh, as of one that unpacks itself\n" * 100 + zipped(FILES)) == PICTURES


def test_an_archive_in_zip64_is_read_as_ever() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in FILES:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert read_zip(file.getvalue()) == PICTURES


def test_more_entries_than_the_old_record_can_count_are_all_there() -> None:
    file = directory_of(70_000, 5)
    directory = find_directory(file, 70_000)
    assert directory.pictures == 70_000
    assert [int(info.filename) for _, info in entries_of(file, directory)] == list(range(70_000))


def test_names_are_what_zipfile_makes_of_them() -> None:
    names = ["é/7.png", "日本/8.png", "a\\b.png", "__MACOSX/x.png", "dir/", "dir/.hidden"]
    file = io.BytesIO(zipped([(name, b"") for name in names]))
    directory = find_directory(file, 100)
    with zipfile.ZipFile(file) as archive:
        assert [info.filename for _, info in entries_of(file, directory)] == archive.namelist()
    assert directory.pictures == 3


def test_a_name_that_ends_early_counts_as_what_is_left_of_it() -> None:
    data = zipped([("dir/x7.png", b"")]).replace(b"dir/x7.png", b"dir/\x007.png")
    assert find_directory(io.BytesIO(data), 100).pictures == 0
    assert read_zip(data) == []


def test_more_pictures_than_a_job_takes_are_refused_before_one_is_unpacked() -> None:
    with pytest.raises(TooLarge, match="a job takes at most 9 images"):
        read_zip(zipped(FILES), most=9)


def test_a_directory_that_is_damaged_in_its_middle_is_refused() -> None:
    data = bytearray(zipped(FILES))
    at = data.rindex(b"PK\x01\x02")
    data[at] ^= 1
    with pytest.raises(BadUpload, match="not a readable zip archive"):
        read_zip(bytes(data))


def test_an_empty_archive_has_no_pictures() -> None:
    assert read_zip(zipped([])) == []


def test_a_picture_in_each_part_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_directory, "PART_BYTES", 1)
    assert read_zip(zipped(FILES)) == [Picture(each.name, each.pixels) for each in PICTURES]
