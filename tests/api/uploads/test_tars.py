import pytest

from api.images.decode import Picture
from api.uploads.tars import MAX_EXTRA_ENTRIES
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.test_archives import FILES, PICTURES, read_tar
from tests.api.uploads.test_ratio import LARGE
from tests.api.uploads.test_uploads import read
from tests.support.uploads import tarred
from tools.fuzz.corpus_archives import bad_tars, pax, record

BAD = dict(bad_tars())


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_tar_is_refused_at_once(name: str) -> None:
    with pytest.raises(BadUpload):
        read(BAD[name], "application/x-tar", limits=LARGE)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("a member of 2^80 bytes", "a member declares 1.21e+24 bytes"),
        ("GNU sparse", "a sparse file"),
        ("GNU sparse maps without end", "a sparse file"),
        ("pax sparse 0.1", "a sparse file"),
        ("pax sparse 1.0", "a sparse file"),
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
