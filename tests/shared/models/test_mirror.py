"""Registries behind URLs: in memory, in files, and in a store that fails."""

import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

import fsspec
import orjson
import pytest

from shared.errors import ModelError, SettingError
from shared.models import mirror
from shared.models.mirror import Mirror, open_registry
from shared.models.registry import list_models, load_version, model_names, read_card, read_file, versions

URL = "memory://bucket/models"
WEIGHTS = os.urandom(3 << 20)  # more than PIECE_BYTES


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def publish(
    store: fsspec.AbstractFileSystem, name: str, version: int, files: dict[str, bytes] | None = None, **card: object
) -> None:
    """Upload a version, with its card last."""
    files = {"model.tflite": WEIGHTS} if files is None else files
    card = {"files": {file: sha256(data).hexdigest() for file, data in files.items()}} | card
    for file, data in files.items():
        store.pipe_file(f"/bucket/models/{name}/{version}/{file}", data)
    store.pipe_file(f"/bucket/models/{name}/{version}/model.json", orjson.dumps(card))


@pytest.fixture
def remote(tmp_path: Path) -> Mirror:
    return Mirror(URL, tmp_path / "cache")


def cached_files(cache: Path) -> list[str]:
    """Return the paths of all cached files, without the folder of the URL."""
    return sorted("/".join(path.relative_to(cache).parts[1:]) for path in cache.rglob("*") if path.is_file())


def test_a_path_is_a_folder_and_a_url_a_mirror(tmp_path: Path) -> None:
    assert open_registry(tmp_path, tmp_path) is tmp_path
    assert isinstance(open_registry(URL, tmp_path), Mirror)


def test_an_unknown_protocol_is_refused_without_the_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"MODELS_DIR='gopher://…@host/models': .*gopher") as refused:
        open_registry("gopher://user:secret@host/models", tmp_path)
    assert "secret" not in str(refused.value)


def test_versions_are_listed_by_their_cards(store: fsspec.AbstractFileSystem, remote: Mirror) -> None:
    for name, version in (("cnn", 10), ("cnn", 9), ("a-2", 1), ("NOT", 1), ("cnn", 0)):
        publish(store, name, version)
    store.pipe_file("/bucket/models/cnn/11/model.tflite", b"incomplete")
    store.pipe_file("/bucket/models/cnn/1/deep/model.json", b"{}")
    store.pipe_file("/bucket/other/cnn/1/model.json", b"{}")
    assert list_models(remote) == {"a-2": [1], "cnn": [9, 10]}
    assert model_names(remote) == ["a-2", "cnn"]
    assert (versions(remote, "cnn"), versions(remote, "no")) == ([9, 10], [])


def test_an_empty_store_has_no_models(store: fsspec.AbstractFileSystem, remote: Mirror) -> None:
    assert list_models(remote) == {}
    with pytest.raises(ModelError, match="no model 'cnn' in memory://bucket/models; available: none"):
        load_version(remote, "cnn")


def test_a_listing_is_cached_for_a_while(
    store: fsspec.AbstractFileSystem, remote: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, "cnn", 1)
    assert versions(remote, "cnn") == [1]
    publish(store, "cnn", 2)
    assert versions(remote, "cnn") == [1]
    monkeypatch.setattr(mirror, "LISTING_AGE_S", 0.0)
    assert versions(remote, "cnn") == [1, 2]


class Listed:
    """Files with a cached listing, like that of s3fs. Only `invalidate_cache` without a path clears it."""

    def __init__(self, files: fsspec.AbstractFileSystem) -> None:
        self._files = files
        self._known: list[str] | None = None

    def invalidate_cache(self, path: str | None = None) -> None:
        if path is None:
            self._known = None

    def find(self, root: str, maxdepth: int) -> list[str]:
        if self._known is None:
            self._known = self._files.find(root, maxdepth=maxdepth)
        return self._known

    def open(self, path: str, mode: str) -> IO[bytes]:
        if self._known is not None and path not in self._known:
            raise FileNotFoundError(path)
        opened: IO[bytes] = self._files.open(path, mode)
        return opened


def test_cached_listings_of_the_store_hide_no_files(
    store: fsspec.AbstractFileSystem, remote: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_files", Listed(store))
    monkeypatch.setattr(mirror, "LISTING_AGE_S", 0.0)
    publish(store, "cnn", 1)
    assert versions(remote, "cnn") == [1]
    publish(store, "cnn", 2)
    assert load_version(remote, "cnn@2").version == 2
    assert versions(remote, "cnn") == [1, 2]


def test_a_new_version_can_be_loaded_by_its_number_at_once(store: fsspec.AbstractFileSystem, remote: Mirror) -> None:
    assert versions(remote, "cnn") == []
    publish(store, "cnn", 2)
    assert load_version(remote, "cnn@2").version == 2
    assert read_card(remote, "cnn@2")["files"]


def test_a_version_is_fetched_whole_and_cached(
    store: fsspec.AbstractFileSystem, remote: Mirror, tmp_path: Path
) -> None:
    publish(store, "cnn", 1, {"model.tflite": WEIGHTS, "curves.csv": b""}, parameters=5)
    version = load_version(remote, "cnn")
    assert (version.ref, version.card["parameters"]) == ("cnn@1", 5)
    assert (version.directory / "model.tflite").read_bytes() == WEIGHTS
    assert cached_files(tmp_path / "cache") == ["cnn/1/curves.csv", "cnn/1/model.json", "cnn/1/model.tflite"]
    store.rm("/bucket/models", recursive=True)
    assert load_version(remote, "cnn@1") == version
    assert load_version(Mirror(URL, tmp_path / "cache"), "cnn@1") == version


def test_two_urls_do_not_share_their_cache(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    publish(store, "cnn", 1)
    first = load_version(Mirror(URL, tmp_path), "cnn@1").directory
    store.mv("/bucket/models", "/bucket/other", recursive=True)
    assert load_version(Mirror("memory://bucket/other", tmp_path), "cnn@1").directory != first


def test_a_file_that_does_not_match_its_card_is_refused_and_nothing_is_cached(
    store: fsspec.AbstractFileSystem, remote: Mirror, tmp_path: Path
) -> None:
    publish(store, "cnn", 1, {"a": b"good", "model.tflite": WEIGHTS})
    store.pipe_file("/bucket/models/cnn/1/model.tflite", WEIGHTS[:-1])
    for _ in range(2):
        with pytest.raises(ModelError, match=r"models/cnn/1/model\.tflite does not match its card"):
            load_version(remote, "cnn@1")
    assert cached_files(tmp_path / "cache") == []
    store.pipe_file("/bucket/models/cnn/1/model.tflite", WEIGHTS)
    assert load_version(remote, "cnn@1").version == 1, "a repaired file is accepted"


def test_a_missing_file_is_named_and_nothing_is_cached(
    store: fsspec.AbstractFileSystem, remote: Mirror, tmp_path: Path
) -> None:
    publish(store, "cnn", 1)
    store.rm("/bucket/models/cnn/1/model.tflite")
    with pytest.raises(ModelError, match=r"models/cnn/1 cannot be fetched: .*model\.tflite"):
        load_version(remote, "cnn@1")
    assert cached_files(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "lists no files"),
        ([], "Expected `object`, got `array`"),
        (None, "Expected `object`, got `null`"),
        ({"../../evil": "a" * 64}, "'../../evil', which is no valid file name"),
        ({"/etc/passwd": "a" * 64}, "no valid file name"),
        ({".hidden": "a" * 64}, "no valid file name"),
        ({"model.json": "a" * 64}, "no valid file name"),
        ({"model.tflite": "a" * 63}, "has no SHA-256 of model.tflite"),
        ({"model.tflite": None}, "Expected `str`, got `null`"),
    ],
)
def test_files_that_cannot_be_checked_are_not_fetched(
    store: fsspec.AbstractFileSystem, remote: Mirror, tmp_path: Path, files: object, reason: str
) -> None:
    store.pipe_file("/bucket/models/cnn/1/model.json", orjson.dumps({"files": files}))
    with pytest.raises(ModelError, match=reason):
        load_version(remote, "cnn@1")
    assert cached_files(tmp_path / "cache") == []


def test_a_report_is_never_cached(store: fsspec.AbstractFileSystem, remote: Mirror) -> None:
    publish(store, "cnn", 1)
    load_version(remote, "cnn@1")
    assert read_file(remote, "cnn", 1, "report.json") is None
    for report in (b'{"passed": false}', b'{"passed": true}'):
        store.pipe_file("/bucket/models/cnn/1/report.json", report)
        assert read_file(remote, "cnn", 1, "report.json") == report


def test_a_file_that_is_too_large_is_refused(
    store: fsspec.AbstractFileSystem, remote: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.models.registry.MAX_BYTES", 4)
    monkeypatch.setattr(mirror, "MAX_BYTES", 4)
    store.pipe_file("/bucket/models/cnn/1/model.json", b"12345")
    with pytest.raises(ModelError, match="has more than 4 bytes"):
        load_version(remote, "cnn@1")


def test_an_unknown_version_is_refused_with_the_existing_ones(store: fsspec.AbstractFileSystem, remote: Mirror) -> None:
    publish(store, "cnn", 1)
    with pytest.raises(ModelError, match="no version '2' of model 'cnn'; available: 1"):
        load_version(remote, "cnn@2")


def test_a_store_that_fails_is_named(remote: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def __getattr__(self, name: str) -> object:
            raise PermissionError("no credentials")

    monkeypatch.setattr(remote, "_files", Down())
    with pytest.raises(ModelError, match=r"memory://bucket/models cannot be listed: .*no credentials"):
        list_models(remote)
    with pytest.raises(ModelError, match=r"models/cnn/1/model\.json cannot be read: .*no credentials"):
        load_version(remote, "cnn@1")


@pytest.fixture
def folder_url(tmp_path: Path) -> str:
    """Return the URL of a folder that is a registry with `cnn@1`."""
    folder = tmp_path / "models" / "cnn" / "1"
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(WEIGHTS)
    (folder / "model.json").write_bytes(orjson.dumps({"files": {"model.tflite": sha256(WEIGHTS).hexdigest()}}))
    return f"file://{tmp_path}/models/"


def test_a_file_url_is_a_registry(folder_url: str, tmp_path: Path) -> None:
    there = Mirror(folder_url, tmp_path / "cache")
    assert list_models(there) == {"cnn": [1]}
    version = load_version(there, "cnn")
    assert version.directory.is_relative_to(tmp_path / "cache")
    assert (version.directory / "model.tflite").read_bytes() == WEIGHTS


def test_threads_and_processes_may_fetch_a_version_at_the_same_time(folder_url: str, tmp_path: Path) -> None:
    """Four mirrors stand for four processes, with two threads each."""
    mirrors = [Mirror(folder_url, tmp_path / "cache") for _ in range(4)]
    together = threading.Barrier(8)
    found: list[bytes] = []

    def fetch(one: Mirror) -> None:
        together.wait()
        found.append((load_version(one, "cnn@1").directory / "model.tflite").read_bytes())

    threads = [threading.Thread(target=fetch, args=(one,)) for one in mirrors * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WEIGHTS] * 8
    assert cached_files(tmp_path / "cache") == ["cnn/1/model.json", "cnn/1/model.tflite"]
