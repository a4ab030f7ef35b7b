import os
from pathlib import Path

import pytest

from deploy.run_dir import LogFile, lock_run_dir, private_dir, write_private
from shared.errors import MnistifiedError


def test_a_folder_in_use_is_refused_with_the_process_that_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lock = lock_run_dir()
    with pytest.raises(MnistifiedError, match=rf"{tmp_path}/.run is in use by process {os.getpid()} \(.*python"):
        lock_run_dir()
    os.close(lock)
    os.close(lock_run_dir())
    assert (tmp_path / ".run").stat().st_mode & 0o077 == 0
    assert (tmp_path / ".run/lock").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_created_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MnistifiedError, match=f"the folder {tmp_path}/file/run cannot be used: Not a directory"):
        private_dir(tmp_path / "file" / "run")


def test_a_private_file_replaces_one_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_the_log_is_bounded_and_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    for start in ("first", "second"):
        log = LogFile(path, max_bytes=100)
        log.write(f"{start}\n")
        log.close()
    assert (path.read_text(), (tmp_path / "service.log.1").read_text()) == ("second\n", "first\n")
    log = LogFile(path, max_bytes=100)
    for line in range(40):
        log.write(f"line {line:4}\n")
    log.close()
    assert path.read_text().endswith("line   39\n")
    assert sorted(os.listdir(tmp_path)) == ["service.log", "service.log.1"]
    assert all(each.stat().st_size <= 100 for each in tmp_path.iterdir())
    assert path.stat().st_mode & 0o077 == 0
