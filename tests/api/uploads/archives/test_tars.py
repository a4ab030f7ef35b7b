import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from api.images.decode import Picture
from api.uploads.archives.tars import MAX_EXTRA_ENTRIES
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.archives.test_members import FILES, PICTURES, read_tar
from tests.api.uploads.test_ratio import LARGE
from tests.api.uploads.test_uploads import read
from tests.support.uploads import tarred
from tools.fuzz.corpus_archives import bad_tars, pax, record

BAD = dict(bad_tars())


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_tar_is_refused_or_its_members_fail_at_once(name: str) -> None:
    try:
        chunks = read(BAD[name], "application/x-tar", limits=LARGE)
    except BadUpload:
        return
    assert all(len(chunk.errors) == chunk.count for chunk in chunks)  # sparse files, devices and links fail alone


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("a member of 2^80 bytes", "a member declares 1.21e+24 bytes"),
        ("GNU sparse maps without end", "a sparse file"),
        ("pax digits without end", "a number of more than 64 digits"),
        ("pax records that overlap", "a damaged pax header"),
        ("100 global headers", "more than 64 global headers"),
        ("a chain of 5,000 b'L'", "more than 8 names and headers before one member"),
    ],
)
def test_the_error_has_the_reason(name: str, detail: str) -> None:
    with pytest.raises(BadUpload) as refused:
        read_tar(BAD[name])
    assert detail in refused.value.detail


def test_valid_pax_headers_are_read() -> None:
    headers = record("mtime", "1700000000.123456789") + record("path", "é" * 300) + record("comment", "two\nlines = 2")
    assert read_tar(pax(headers) + tarred(FILES[:1], 0)) == [Picture("é" * 300, PICTURES[0].pixels)]


def test_all_members_are_counted() -> None:
    folders = [(f"{number}/", b"") for number in range(MAX_EXTRA_ENTRIES + 20)]
    with pytest.raises(TooLarge, match=f"more than {MAX_EXTRA_ENTRIES + 20} entries"):
        read_tar(tarred([*folders, *FILES]), max_images=10)


SPECIAL = {
    tarfile.SYMTYPE: "a symbolic link to 'digits/other.png': pack the archive with --dereference",
    tarfile.LNKTYPE: "a hard link to 'digits/other.png': pack the archive with --hard-dereference",
    tarfile.FIFOTYPE: "a named pipe (FIFO), which has no content",
    tarfile.CHRTYPE: "a device, which has no content",
    tarfile.BLKTYPE: "a device, which has no content",
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_member_without_content_fails_alone_with_its_reason(kind: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in (FILES[0], ("special.png", b""), FILES[1]):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (tarfile.REGTYPE, "") if data else (kind, "digits/other.png")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert read_tar(file.getvalue()) == [PICTURES[0], Picture("special.png", None, SPECIAL[kind]), PICTURES[1]]


def test_a_sparse_file_of_gnu_tar_fails_alone(tmp_path: Path) -> None:
    for name, data in (("a.png", FILES[0][1]), ("c.png", FILES[1][1])):
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "b.png").open("wb") as sparse:
        for piece in range(60):  # more pieces than fit into one header
            sparse.seek(piece << 16)
            sparse.write(b"data" * 1024)
    for tar_format in ("gnu", "pax"):
        command = ["tar", "-c", "--sparse", f"--format={tar_format}", "a.png", "b.png", "c.png"]
        data = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
        first, failed, last = read_tar(data)
        assert (first.pixels, last.pixels) == (PICTURES[0].pixels, PICTURES[1].pixels)
        assert "sparse file" in failed.error or "not an image" in failed.error, failed


@pytest.mark.parametrize("more", [b"garbage", tarred(FILES[:1]), bytes(10_000) + b"x"], ids=["text", "tar", "late"])
def test_data_after_the_archive_is_refused(more: bytes) -> None:
    assert read_tar(tarred(FILES) + bytes(20_480)) == PICTURES
    with pytest.raises(BadUpload, match="data after the end of the tar archive: send each archive by itself"):
        read_tar(tarred(FILES) + more)
