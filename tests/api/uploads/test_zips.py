import tracemalloc

import pytest

from api.uploads.archives import EXTRA_ENTRIES
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.test_archives import FILES, PICTURES, read_zip, zipped
from tools.fuzz.corpus_archives import raw_zip, zip64, zip_with_bzip2, zip_with_changed_entry


def test_entries_are_counted_whatever_they_are() -> None:
    folders = [(f"{number}/", b"") for number in range(EXTRA_ENTRIES + 20)]
    assert read_zip(zipped([*folders[: EXTRA_ENTRIES + 10], *FILES]), most=10) == PICTURES
    with pytest.raises(TooLarge, match=f"more than {EXTRA_ENTRIES + 20} entries"):
        read_zip(zipped([*folders, *FILES]), most=10)


def test_too_many_entries_are_refused_before_any_is_held_whatever_the_record_says() -> None:
    for data in (raw_zip(100_000, 1, 47 * 100_000, 4), raw_zip(1, 60_000, 47, 4), zip64(10**9, 0)):
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge, match="an archive has more than 1020 entries"):
                read_zip(data, most=10)
            assert tracemalloc.get_traced_memory()[1] < len(data) + (4 << 20)
        finally:
            tracemalloc.stop()


def test_entries_that_the_record_does_not_count_are_not_left_out_silently() -> None:
    with pytest.raises(BadUpload, match="says that it has 10 entries, its directory has 1"):
        read_zip(zip_with_changed_entry(32))


def test_a_bzip2_member_is_unpacked_no_further_than_an_image_may_be_large() -> None:
    data = zip_with_bzip2(60)
    tracemalloc.start()
    try:
        (picture,) = read_zip(data)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert picture.error == "larger than 5000 bytes"
