import io
import lzma
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from api.images.decode import Picture
from api.uploads.archives import zips
from api.uploads.archives.zips import MAX_DIRECTORY_BYTES, MAX_ENTRIES, open_archive
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.archives.test_members import FILES, PICTURES, read_zip
from tests.support.uploads import zipped
from tools.fuzz.corpus_archives import raw_zip, zip64, zip_bomb, zip_with_changed_entry

WIDE_NAME_BYTES = MAX_DIRECTORY_BYTES // MAX_ENTRIES - 46 - 6  # before a number of 6 digits


@contextmanager
def max_memory(max_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < max_bytes
    finally:
        tracemalloc.stop()


def test_a_zip_may_have_100_000_entries() -> None:
    assert len(open_archive(io.BytesIO(zip64(MAX_ENTRIES))).infolist()) == MAX_ENTRIES


def test_one_entry_more_is_refused_and_a_tar_suggested() -> None:
    for data in (zip64(MAX_ENTRIES + 1), raw_zip(MAX_ENTRIES + 1, (MAX_ENTRIES + 1) & 0xFFFF)):
        with pytest.raises(TooLarge, match="at most 100000 entries: send several, or a tar"):
            read_zip(data)


def test_the_limit_holds_for_folders_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_ENTRIES", 12)
    assert read_zip(zipped([("a/", b""), ("b/", b""), *FILES])) == PICTURES
    with pytest.raises(TooLarge, match="at most 12 entries"):
        read_zip(zipped([("a/", b""), ("b/", b""), ("c/", b""), *FILES]))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(zip64(10**9, 0), id="the record declares a billion entries"),
        pytest.param(zip64(120_000, claimed=1), id="the zip64 record declares one entry and there are 120,000"),
        pytest.param(raw_zip(120_000, 1), id="the record declares one entry and there are 120,000"),
        pytest.param(zip64(1, size=1 << 40), id="the record declares a directory of a tebibyte"),
        pytest.param(zip64(500, name=b"n" * 60_000), id="a directory of 28 MiB in 500 entries"),
    ],
)
def test_a_directory_that_is_too_large_is_refused_before_zipfile_reads_it(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(zipfile.ZipFile, "_RealGetContents")
    with max_memory(len(data) + (1 << 20)), pytest.raises(TooLarge):
        open_archive(io.BytesIO(data))


def test_100_000_entries_with_the_longest_names_stay_below_128_mib() -> None:
    """A tenth of the entries, which are traced in a tenth of the time, take a tenth of the memory."""
    data = zip64(MAX_ENTRIES // 10, name=b"\xb0" * WIDE_NAME_BYTES)
    with max_memory((128 << 20) // 10):
        assert len(open_archive(io.BytesIO(data)).infolist()) == MAX_ENTRIES // 10


def test_entries_that_the_record_does_not_count_are_not_left_out_silently() -> None:
    with pytest.raises(BadUpload, match="declares 10 entries, but its directory has 1"):
        read_zip(zip_with_changed_entry(32))


def test_more_entries_than_the_short_record_can_count_are_all_there() -> None:
    assert len(open_archive(io.BytesIO(raw_zip(70_000, 70_000 & 0xFFFF))).infolist()) == 70_000


def test_an_archive_after_other_data_is_read() -> None:
    assert read_zip(b"#!/bin/sh, a self-extracting archive\n" * 100 + zipped(FILES)) == PICTURES


def test_a_zip64_archive_is_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in FILES:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert read_zip(file.getvalue()) == PICTURES


def test_a_name_with_a_zero_byte_ends_there() -> None:
    assert read_zip(zipped([("dir/x7.png", b"")]).replace(b"dir/x7.png", b"dir/\x007.png")) == []


def test_more_pictures_than_a_job_takes_are_refused_before_one_is_unpacked() -> None:
    def read(name: str, data: bytes) -> Picture:
        raise AssertionError(f"{name} was unpacked")

    with pytest.raises(TooLarge, match="a job takes at most 9 images"):
        read_zip(zipped(FILES), max_images=9, read=read)


def test_a_directory_that_is_damaged_in_its_middle_is_refused() -> None:
    data = bytearray(zipped(FILES))
    data[data.rindex(b"PK\x01\x02")] ^= 1
    with pytest.raises(BadUpload, match="not a readable zip archive"):
        read_zip(bytes(data))


def test_an_empty_archive_has_no_pictures() -> None:
    assert read_zip(zipped([])) == []


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_is_unpacked_no_further_than_an_image_may_be_large(compression: int) -> None:
    data = zip_bomb(20, compression)
    with max_memory(12 << 20):
        (picture,) = read_zip(data)
    assert picture.error == "larger than 5000 bytes"


def test_lzma_without_an_end_marker_is_read() -> None:
    """7-Zip packs so: without the marker, the size in the directory says where the data ends."""
    packed = lzma.compress(FILES[0][1], lzma.FORMAT_ALONE)
    properties, data = packed[:5], packed[13:]
    whole = zipped([("7.png", b"\x09\x14\x05\x00" + properties + data)], zipfile.ZIP_STORED)
    archive = bytearray(whole)
    entry = archive.index(b"PK\x01\x02")
    archive[8:10] = archive[entry + 10 : entry + 12] = zipfile.ZIP_LZMA.to_bytes(2, "little")
    archive[14:18] = archive[entry + 16 : entry + 20] = zlib.crc32(FILES[0][1]).to_bytes(4, "little")
    archive[22:26] = archive[entry + 24 : entry + 28] = len(FILES[0][1]).to_bytes(4, "little")
    assert read_zip(bytes(archive)) == [Picture("7.png", PICTURES[0].pixels)]


@pytest.mark.parametrize("at", [2, 4, 8, 12, 40])
def test_a_damaged_lzma_header_fails_its_member_alone(at: int) -> None:
    data = bytearray(zipped(FILES[:3], zipfile.ZIP_LZMA))
    start = data.index(b"\x05\x00\x5d") - 2
    data[start + at] ^= 0xFF
    with max_memory(12 << 20):
        pictures = read_zip(bytes(data))
    assert pictures[0].error.startswith("cannot be unpacked: ")
    assert pictures[1:] == PICTURES[1:3]


def test_a_dictionary_larger_than_64_mib_is_refused() -> None:
    data = zipped(FILES[:1], zipfile.ZIP_LZMA)
    start = data.index(b"\x05\x00\x5d") + 3
    (picture,) = read_zip(data[:start] + b"\xff\xff\xff\xff" + data[start + 4 :])
    assert "Memory usage limit" in picture.error


def test_an_unknown_method_says_what_to_use() -> None:
    data = zipped(FILES[:1])
    entry = data.index(b"PK\x01\x02")
    (picture,) = read_zip(data[:8] + b"\x5d\x00" + data[10 : entry + 10] + b"\x5d\x00" + data[entry + 12 :])
    assert picture.error == "cannot be unpacked: compression method 93 is not supported: use deflate"


def zip_of(**changes: Any) -> bytes:
    """Return a zip of three files, whose second has other attributes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for position, (name, data) in enumerate(FILES[:3]):
            info = zipfile.ZipInfo(name)
            for key, value in (changes if position == 1 else {}).items():
                setattr(info, key, value)
            archive.writestr(info, data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(0o120777, "a symbolic link: pack the file itself"), (0o010644, "a special file"), (0o020644, "a special file")],
)
def test_a_member_without_content_fails_alone_with_its_reason(mode: int, reason: str) -> None:
    first, failed, last = read_zip(zip_of(create_system=3, external_attr=mode << 16))
    assert (first, last) == (PICTURES[0], PICTURES[2])
    assert failed.error.startswith(reason)


def test_an_encrypted_member_fails_alone_and_says_what_to_do() -> None:
    data = bytearray(zipped(FILES[:1]))
    for signature, flags_at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + flags_at] |= 1
    (failed,) = read_zip(bytes(data))
    assert failed.error == "cannot be unpacked: encrypted; pack the archive without a password"


def test_two_files_of_one_name_are_two_items() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped([FILES[0], (FILES[0][0], FILES[1][1])])
    assert [picture.pixels for picture in read_zip(data)] == [PICTURES[0].pixels, PICTURES[1].pixels]


def test_data_around_an_archive_is_refused() -> None:
    for data in (zipped(FILES) + b"garbage", zipped(FILES) + zipped(FILES), zipped(FILES) + bytes(100)):
        with pytest.raises(BadUpload, match="send each"):
            read_zip(data)


@pytest.mark.parametrize("name", ["größe/é.png", "数字/7.png", "plain.png"])
def test_a_name_in_utf_8_is_read_without_the_flag_for_it(name: str) -> None:
    stored = name.encode().decode("latin-1")  # the same number of bytes, which the flag's absence turns into cp437
    data = zipped([("x" * len(stored), FILES[0][1])]).replace(b"x" * len(stored), name.encode())
    assert [picture.name for picture in read_zip(data)] == [name]


def test_the_zip_of_a_windows_program_has_folders_with_backslashes() -> None:
    data = zipped([("digits\\", b""), ("digits\\7.png", FILES[0][1]), ("digits\\Thumbs.db", b"x")])
    assert read_zip(data) == [Picture("digits/7.png", PICTURES[0].pixels)]
    german = zipped([("gr__e.png", FILES[0][1])]).replace(b"gr__e", b"gr\x94\xe1e")  # cp437
    assert [picture.name for picture in read_zip(german)] == ["größe.png"]
