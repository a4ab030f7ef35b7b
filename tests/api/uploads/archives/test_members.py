import bz2
import tarfile
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Callable

import pytest

from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.archives import members
from api.uploads.archives.members import is_picture_file
from api.uploads.archives.tars import tar_pictures
from api.uploads.archives.zips import opened_zip, zip_pictures
from api.uploads.ratio import Unpacked
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.test_arrays import IMAGES
from tests.api.uploads.test_body import body_of, collect
from tests.support.uploads import Files, image_file, tarred, zipped

Pack = Callable[[Files], bytes]
Read = Callable[..., list[Picture]]

IMAGE_BYTES = 5000
FILES = [(f"digits/{9 - number}é.png", image_file(image)) for number, image in enumerate(IMAGES)]
PICTURES = [Picture(name, image.tobytes()) for (name, _), image in zip(FILES, IMAGES, strict=True)]
RUBBISH = [
    ("__MACOSX/digits/._3.png", b"resource fork"),
    ("digits/.DS_Store", b"rubbish"),
    (".hidden", b""),
    ("digits/Thumbs.db", b"rubbish"),
    ("digits\\desktop.ini", b"rubbish"),
    ("$RECYCLE.BIN/7.png", b"rubbish"),
    (".git/7.png", b"rubbish"),
]


def read_zip(
    data: bytes, max_images: int = 1000, image_bytes: int = IMAGE_BYTES, read: ReadPicture = read_picture
) -> list[Picture]:
    async def pictures() -> AsyncIterator[Picture]:
        async with opened_zip(body_of(data, 65536, 1 << 30), max_images) as opened:
            async for picture in zip_pictures(opened, image_bytes, Unpacked(1 << 30, 200), read):
                yield picture

    return collect(pictures())


def read_tar(data: bytes, image_bytes: int = IMAGE_BYTES, max_images: int = 1000) -> list[Picture]:
    return collect(tar_pictures(body_of(data, 65536, 1 << 30), image_bytes, max_images))


WAYS = pytest.mark.parametrize(("pack", "read"), [(zipped, read_zip), (tarred, read_tar)], ids=["zip", "tar"])


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_yields_its_files_in_order_with_every_compression(compression: int) -> None:
    assert read_zip(zipped(FILES, compression)) == PICTURES


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_yields_its_files_in_order_in_every_format(tar_format: int) -> None:
    assert read_tar(tarred(FILES, tar_format)) == PICTURES


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_kept(tar_format: int) -> None:
    name = "é/" * 1000 + "7.png"
    assert read_tar(tarred([(name, FILES[0][1])], tar_format)) == [Picture(name, PICTURES[0].pixels)]


@WAYS
def test_more_files_than_are_read_at_a_time_stay_in_order(pack: Pack, read: Read) -> None:
    files = [(f"{number}.png", FILES[number % 10][1]) for number in range(members.BATCH_PICTURES * 2 + 3)]
    assert read(pack(files)) == [Picture(name, PICTURES[at % 10].pixels) for at, (name, _) in enumerate(files)]


@WAYS
def test_folders_and_files_of_file_managers_are_skipped(pack: Pack, read: Read) -> None:
    assert read(pack([("digits/", b""), *RUBBISH, *FILES])) == PICTURES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("7.png", True),
        ("a/b/7", True),
        ("not__MACOSX/7.png", True),
        ("", False),
        ("a/", False),
        ("a/.7.png", False),
        ("./7.png", True),
        ("digits\\7.png", True),
        ("digits\\", False),
        ("digits\\THUMBS.DB", False),
        ("a/__MACOSX/7.png", False),
        ("__MACOSX/7.png", False),
        ("System Volume Information\\7.png", False),
        ("a/../7.png", True),
        ("a/.../7.png", False),
        ("desktop.ini.png", True),
        ("desktop.ini/7.png", True),
        (".\n", False),
    ],
)
def test_the_name_decides_whether_a_member_is_a_picture(name: str, expected: bool) -> None:
    assert is_picture_file(name) is expected


@WAYS
def test_an_unreadable_picture_fails_alone(pack: Pack, read: Read) -> None:
    files = [FILES[0], ("notes.txt", b"hello"), ("empty.png", b""), ("large.png", bytes(IMAGE_BYTES + 1)), FILES[1]]
    first, text, empty, large, last = read(pack(files))
    assert (first, last) == (PICTURES[0], PICTURES[1])
    assert text == Picture("notes.txt", None, text.error)
    assert text.error.startswith("the body (5 bytes) is not an image")
    assert empty.error.startswith("the body is empty")
    assert large == Picture("large.png", None, f"larger than {IMAGE_BYTES} bytes")


@WAYS
def test_a_picture_of_exactly_the_limit_is_read(pack: Pack, read: Read) -> None:
    size = len(FILES[0][1])
    assert read(pack(FILES[:1]), image_bytes=size) == PICTURES[:1]
    assert read(pack(FILES[:1]), image_bytes=size - 1) == [Picture(FILES[0][0], None, f"larger than {size - 1} bytes")]


def encrypted(data: bytearray, at: int) -> None:
    data[at + 8] |= 1  # the flags in the directory's entry


def with_another_crc(data: bytearray, at: int) -> None:
    data[at + 16] ^= 0xFF


def packed_some_other_way(data: bytearray, at: int) -> None:
    data[at + 10] = 99


def somewhere_else(data: bytearray, at: int) -> None:
    data[at + 42 : at + 46] = b"\xff\xff\xff\x7f"


@pytest.mark.parametrize("damage", [encrypted, with_another_crc, packed_some_other_way, somewhere_else])
def test_a_zip_member_that_cannot_be_unpacked_fails_alone(damage: Callable[[bytearray, int], None]) -> None:
    data = bytearray(zipped(FILES[:3], zipfile.ZIP_STORED))
    damage(data, data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1))
    first, damaged, last = read_zip(bytes(data))
    assert (first, last) == (PICTURES[0], PICTURES[2])
    assert damaged.pixels is None
    assert (damaged.name, damaged.error[:20]) == (FILES[1][0], "cannot be unpacked: ")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_with_damaged_data_fails_alone(compression: int) -> None:
    data = bytearray(zipped(FILES[:3], compression))
    start = data.index(b"PK\x03\x04", 4) + 30 + len(FILES[1][0].encode())
    data[start + 10 : start + 60] = b"\xff" * 50
    first, damaged, last = read_zip(bytes(data))
    assert (first, last) == (PICTURES[0], PICTURES[2])
    assert damaged.error.startswith("cannot be unpacked: ")


def test_only_pictures_count_towards_the_limit_of_a_zip() -> None:
    data = zipped([("digits/", b""), *RUBBISH, *FILES])
    assert len(read_zip(data, max_images=10)) == 10
    with pytest.raises(TooLarge, match="at most 9 images"):
        read_zip(data, max_images=9)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip" * 100, zipped(FILES)[:-30], zipped(FILES)[:3000]])
def test_a_damaged_zip_is_refused(data: bytes) -> None:
    with pytest.raises(BadUpload, match="not a readable zip archive"):
        read_zip(data)


@pytest.mark.parametrize("data", [b"", b"no tar", b"no tar" * 1000, bz2.compress(tarred(FILES))])
def test_another_file_is_refused_as_a_tar(data: bytes) -> None:
    with pytest.raises(BadUpload, match="not a readable tar archive"):
        read_tar(data)


def test_a_tar_cut_anywhere_before_its_end_is_refused() -> None:
    whole = tarred(FILES[:2], tarfile.USTAR_FORMAT)
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in (*range(0, end, 100), *range(512, end + 512, 512)):
        with pytest.raises(BadUpload, match=r"not a readable tar archive|damaged or ends too early"):
            read_tar(whole[:length])
    assert read_tar(whole[: end + 512]) == PICTURES[:2]


def test_a_tar_with_a_damaged_header_in_the_middle_is_refused() -> None:
    data = bytearray(tarred(FILES, tarfile.USTAR_FORMAT))
    data[data.index(b"ustar", 1000)] ^= 1
    with pytest.raises(BadUpload, match="damaged or ends too early"):
        read_tar(bytes(data))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_an_endless_name_is_not_read_into_memory(kind: bytes) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 20 << 20
    data = info.tobuf() + bytes(info.size)
    tracemalloc.start()
    try:
        with pytest.raises(BadUpload, match="not a readable tar archive: a name or header of 20971520 bytes"):
            collect(tar_pictures(body_of(data, limit_bytes=1 << 30), IMAGE_BYTES, 1000))
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_long_chains_of_names_are_refused() -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    with pytest.raises(BadUpload, match="not a readable tar archive: more than 8 names and headers"):
        read_tar((info.tobuf() + bytes(512)) * 800)
