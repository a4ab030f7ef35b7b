"""MNIST, or a sample of drawn digits that is named as such."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shared.contract.model_spec import MNIST_LABELS
from shared.data import idx, sample
from shared.errors import DatasetError
from shared.images import Images

REPOSITORY = Path(__file__).resolve().parents[2]

GZIP_MAGIC = b"\x1f\x8b"

Which = Literal["train", "test"]
Labels = npt.NDArray[np.unsignedinteger[Any]]  # uint8[N], 0 to 9 for digits; uint16[N] for others

# Hashes of the uncompressed bytes, which do not depend on how a mirror compresses the files.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FILES: dict[Which, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True, slots=True)
class Split:
    """Images and labels, both read-only. Row i of `images` (uint8[N,28,28]) shows the digit `labels[i]` (uint8[N]).

    `label_names` are the labels by number. Images of other models have their shape.
    """

    name: str  # `mnist`, `sample`, or the name of a folder
    images: Images
    labels: Labels
    label_names: tuple[str, ...] = MNIST_LABELS

    @property
    def about(self) -> str:
        """A description for people."""
        if self.name == "mnist":
            return f"{len(self.images):,} images of MNIST"
        return f"{len(self.images):,} digits drawn by this project, because there is no MNIST"


def find_mnist_dir(setting: Path | None, which: Which | None = None) -> Path | None:
    """Return the folder of MNIST's files, or None if there is none. `which` is the only split that is needed.

    If MNIST_DIR (`setting`) is not set, try `data/mnist` in the repository, then `../shared/data/mnist`.
    Raises DatasetError if a file is missing in MNIST_DIR.
    """
    names = FILES[which] if which else (*FILES["train"], *FILES["test"])
    if setting is not None:
        missing = [name for name in names if _find(setting, name) is None]
        if missing:
            raise DatasetError(f"MNIST_DIR={setting} has no {', '.join(missing)} (gzipped or not)")
        return setting
    for candidate in (REPOSITORY / "data/mnist", REPOSITORY.parent / "shared/data/mnist"):
        if all(_find(candidate, name) for name in names):
            return candidate
    return None


def load_split(which: Which, mnist_dir: Path | None) -> Split:
    """Read one split of MNIST from `mnist_dir`, or draw the sample if that is None.

    Call it once: it reads, unpacks and hashes whole files. Raises DatasetError with the name of a file that is missing
    or is not the published one.
    """
    if mnist_dir is None:
        return Split("sample", *sample.draw(which))
    images, labels = (_load(mnist_dir, name) for name in FILES[which])
    return Split("mnist", images, labels)


def load_published_split(which: Which, setting: Path | None) -> Split:
    """Read one split of MNIST from MNIST_DIR (`setting`) or one of the usual folders.

    Raises DatasetError if there is none, and those of `load_split`.
    """
    mnist_dir = find_mnist_dir(setting, which)
    if mnist_dir is None:
        raise DatasetError("MNIST is missing: download it with `make data`")
    return load_split(which, mnist_dir)


def read_file(path: Path, sha256: str) -> bytes:
    """Return a file's content, gunzipped. Raises DatasetError if it is unreadable or its hash is not `sha256`."""
    try:
        content = path.read_bytes()
        if content.startswith(GZIP_MAGIC):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DatasetError(
            f"{path} is damaged: its hash is not that of the published file. Delete it and run `make data`"
        )
    return content


def _find(mnist_dir: Path, name: str) -> Path | None:
    candidates = (mnist_dir / f"{name}.gz", mnist_dir / name)
    return next((path for path in candidates if path.is_file()), None)


def _load(mnist_dir: Path, name: str) -> npt.NDArray[np.uint8]:
    path = _find(mnist_dir, name)
    if path is None:
        raise DatasetError(f"{mnist_dir / name} is missing (gzipped or not): fetch it with `make data`")
    shape, elements = idx.parse(read_file(path, SHA256[name]))
    return np.frombuffer(elements, np.uint8).reshape(shape)  # read-only, as a view of bytes
