import os
import threading
from pathlib import Path

import pytest

from mnistified.uploads.bodies import body_of
from mnistified.uploads.files import body_of_paths, folder_members
from tests.client.uploads.test_photos import PHOTO


def test_links_are_followed_once_and_other_files_are_skipped_by_name(tmp_path: Path) -> None:
    top = tmp_path / "digits"
    (top / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.JFIF", "c.txt", "d.HEIC", ".hidden.png"):
        (top / name).write_bytes(b"content")
    os.mkfifo(top / "pipe.png")
    (top / "loop").symlink_to(top)
    (top / "more" / "again").symlink_to(top / "more")
    (top / "link.png").symlink_to(top / "a.png")
    (top / "broken.png").symlink_to(top / "nothing")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "e.png").write_bytes(b"content")
    (top / "other").symlink_to(tmp_path / "elsewhere")
    members, skipped = folder_members(top)
    assert [name for name, _ in members] == ["a.png", "link.png", "more/b.JFIF", "other/e.png"]
    assert [line.removeprefix(f"{top}/") for line in skipped] == [
        "broken.png (a broken link)",
        "c.txt (not a picture)",
        "d.HEIC (HEIC and AVIF are not supported: save it as JPEG)",
        "pipe.png (a named pipe)",
    ]
    assert body_of(top).skipped == skipped


def test_a_folder_without_pictures_names_what_it_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no file in this folder has the suffix .*; skipped .*a\.heic \(HEIC"):
        body_of(tmp_path)


def test_a_pipe_is_read_to_its_end_and_can_be_sent_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"PK\x03\x04 and more"))
    writer.start()
    body = body_of_paths([tmp_path / "pipe"])
    writer.join()
    assert [b"".join(body.chunks()) for _ in range(2)] == [b"PK\x03\x04 and more"] * 2
    body.spool.close()  # type: ignore[union-attr]
    os.mkfifo(tmp_path / "other")
    with pytest.raises(ValueError, match="is not a regular file: send it by itself"):
        body_of_paths([tmp_path / "other", tmp_path])


def test_photos_of_a_folder_are_scaled_down_if_they_may_have_any_size(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    large, small = (sum(map(len, body_of(tmp_path, any_size).chunks())) for any_size in (False, True))
    assert large > len(PHOTO)
    assert small < len(PHOTO) / 2
    assert body_of(tmp_path, True).size_bytes is None
