import gzip
import hashlib
from pathlib import Path

import pytest

from shared.data import dataset
from shared.errors import DatasetError

MNIST = dataset.find_mnist_dir(None)
needs_mnist = pytest.mark.skipif(MNIST is None, reason="MNIST is missing: `make data` fetches it")


def put_files(directory: Path, suffix: str = ".gz") -> Path:
    directory.mkdir(parents=True)
    for name in dataset.SHA256:
        (directory / f"{name}{suffix}").write_bytes(gzip.compress(b"not MNIST"))
    return directory


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of an empty repository."""
    monkeypatch.setattr(dataset, "REPOSITORY", tmp_path / "repository")
    return tmp_path / "repository"


def test_nothing_is_found_in_an_empty_repository(repository: Path) -> None:
    assert dataset.find_mnist_dir(None) is None


def test_files_in_the_repository_come_before_files_next_to_it(repository: Path) -> None:
    next_to_it = put_files(repository.parent / "shared/data/mnist")
    assert dataset.find_mnist_dir(None) == next_to_it
    inside = put_files(repository / "data/mnist")
    assert dataset.find_mnist_dir(None) == inside


def test_an_incomplete_folder_is_ignored(repository: Path) -> None:
    inside = put_files(repository / "data/mnist")
    (inside / "t10k-labels-idx1-ubyte.gz").unlink()
    assert dataset.find_mnist_dir(None) is None


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_setting_comes_first(repository: Path, suffix: str) -> None:
    put_files(repository / "data/mnist")
    elsewhere = put_files(repository / "elsewhere", suffix)
    assert dataset.find_mnist_dir(elsewhere) == elsewhere


def test_an_incomplete_mnist_dir_is_refused_with_the_missing_file(repository: Path) -> None:
    put_files(repository / "data/mnist")
    incomplete = put_files(repository / "elsewhere")
    (incomplete / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match=f"MNIST_DIR={incomplete} has no train-images-idx3-ubyte "):
        dataset.find_mnist_dir(incomplete)


def test_the_files_of_the_test_set_suffice_to_serve(repository: Path) -> None:
    folder = put_files(repository / "data/mnist")
    for name in dataset.FILES["train"]:
        (folder / f"{name}.gz").unlink()
    for setting in (None, folder):
        assert dataset.find_mnist_dir(setting, "test") == folder
    assert dataset.find_mnist_dir(None) is None
    with pytest.raises(DatasetError, match="has no train-images"):
        dataset.find_mnist_dir(folder)


def test_a_program_that_needs_mnist_says_how_to_get_it(repository: Path) -> None:
    with pytest.raises(DatasetError, match="make data"):
        dataset.load_published_split("test", None)


@needs_mnist
def test_the_test_set_is_the_published_one() -> None:
    split = dataset.load_split("test", MNIST)
    assert split.name == "mnist"
    assert (split.images.shape, split.images.dtype.name) == ((10_000, 28, 28), "uint8")
    assert (split.labels.shape, split.labels.dtype.name) == ((10_000,), "uint8")
    assert [int(split.labels[i]) for i in (7, 42, 5000)] == [9, 4, 3]


@needs_mnist
def test_the_training_set_is_the_published_one() -> None:
    split = dataset.load_split("train", MNIST)
    assert split.images.shape == (60_000, 28, 28)
    assert split.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.parametrize("where", [None, pytest.param(MNIST, marks=needs_mnist)])
def test_splits_are_read_only(where: Path | None) -> None:
    split = dataset.load_split("test", where)
    with pytest.raises(ValueError, match="read-only"):
        split.images[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        split.labels[0] = 1


@needs_mnist
def test_uncompressed_files_are_read(tmp_path: Path) -> None:
    assert MNIST is not None
    for name in dataset.FILES["test"]:
        (tmp_path / name).write_bytes(dataset.read_file(MNIST / f"{name}.gz", dataset.SHA256[name]))
    assert len(dataset.load_split("test", tmp_path).images) == 10_000


def test_a_file_with_other_content_is_refused_by_name(tmp_path: Path) -> None:
    directory = put_files(tmp_path / "mnist")
    with pytest.raises(DatasetError, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
        dataset.load_split("test", directory)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="train-images-idx3-ubyte is missing"):
        dataset.load_split("train", tmp_path)


@pytest.mark.parametrize("damage", [slice(0, 30), slice(0, -4), slice(0, 2)])
def test_a_gzip_file_cut_short_is_refused_by_name(tmp_path: Path, damage: slice) -> None:
    path = tmp_path / "some-file.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 10)[damage])
    with pytest.raises(DatasetError, match=r"some-file\.gz cannot be read"):
        dataset.read_file(path, "0" * 64)


def test_the_hash_is_that_of_the_uncompressed_bytes(tmp_path: Path) -> None:
    content, path = b"\0\0\x08\x01content", tmp_path / "file"
    digest = hashlib.sha256(content).hexdigest()
    for stored in (content, gzip.compress(content, 1), gzip.compress(content, 9)):
        path.write_bytes(stored)
        assert dataset.read_file(path, digest) == content


def test_without_mnist_a_split_says_that_it_is_the_sample() -> None:
    assert dataset.load_split("test", None).name == "sample"
    assert dataset.load_split("train", None).name == "sample"
