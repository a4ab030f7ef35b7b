"""A registry behind an fsspec URL (`s3://bucket/models`), and the local folder that caches its versions.

The first use of a version fetches all of its files or none, and checks each file against the SHA-256 on the card.
Versions never change, so later uses read the cache. Files that the card does not list, such as the gate's report, may
change: they are always read from the URL.
"""

import hashlib
import logging
import os
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from shared.config.values import CREDENTIALS
from shared.contract.model_card import ModelCard
from shared.contract.model_ref import VERSION
from shared.errors import ModelError, SettingError
from shared.models.registry import CARD, MAX_BYTES, NAME, Registry, bounded, parse_card

logger = logging.getLogger(__name__)

LISTING_AGE_S = 10.0  # a listing is one or more requests, which may cost money
PIECE_BYTES = 1 << 20
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def open_registry(place: Path | str, cache_dir: Path) -> Registry:
    """Return the registry of the settings `models_dir` and `models_cache_dir`, without connecting to it.

    Raises SettingError if the URL's protocol is unknown or needs a package that is not installed.
    """
    return place if isinstance(place, Path) else Mirror(place, cache_dir)


class Mirror:
    """A `Remote`. Several threads may share it, and several processes may share its folder."""

    def __init__(self, url: str, cache_dir: Path) -> None:
        self._shown = CREDENTIALS.sub("//…@", url)
        try:
            import fsspec  # a folder needs no fsspec

            self._files: Any
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SettingError(f"MODELS_DIR={self._shown!r}: {error}") from None
        self._root = root.rstrip("/")
        self._folder = cache_dir / hashlib.sha256(url.encode()).hexdigest()[:16]
        self._fetching = threading.Lock()
        self._listing: dict[str, list[int]] = {}
        self._listed_s: float | None = None

    def __str__(self) -> str:
        return self._shown

    def listing(self) -> dict[str, list[int]]:
        if self._listed_s is None or time.monotonic() - self._listed_s > LISTING_AGE_S:
            self._listing = self._list()
            self._listed_s = time.monotonic()
        return self._listing

    def fetch(self, name: str, version: int) -> Path | None:
        target = self._folder / name / str(version)
        with self._fetching:
            if not (target / CARD).is_file():
                card = self.read(name, version, CARD)
                if card is None:
                    return None
                self._fetch(name, version, card, target)
        return target

    def read(self, name: str, version: int, file: str) -> bytes | None:
        path = f"{self._shown}/{name}/{version}/{file}"
        try:
            self._files.invalidate_cache()  # a listing that fsspec cached may not include the file yet
            with self._files.open(self._path(name, version, file), "rb") as opened:
                return bounded(opened.read(MAX_BYTES + 1), path)
        except FileNotFoundError:
            return None
        except ModelError:
            raise
        except Exception as error:  # each protocol has its own errors
            raise ModelError(f"{path} cannot be read: {error!r}") from None

    def _list(self) -> dict[str, list[int]]:
        try:
            self._files.invalidate_cache()
            paths = self._files.find(self._root, maxdepth=3)
        except Exception as error:
            raise ModelError(f"{self._shown} cannot be listed: {error!r}") from None
        known: dict[str, list[int]] = {}
        for path in paths:
            name, _, rest = path.removeprefix(f"{self._root}/").partition("/")
            version, _, file = rest.partition("/")
            if file == CARD and NAME.fullmatch(name) and VERSION.fullmatch(version):
                known.setdefault(name, []).append(int(version))
        return {name: sorted(known[name]) for name in sorted(known)}

    def _fetch(self, name: str, version: int, card: bytes, target: Path) -> None:
        where = f"{self._shown}/{name}/{version}"
        hashes = _hashes(parse_card(card, f"{where}/{CARD}"), where)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self._folder) as staging:
                staged = Path(staging, str(version))
                staged.mkdir()
                for file, sha256 in hashes.items():
                    found = self._download(self._path(name, version, file), staged / file)
                    if found != sha256:
                        raise ModelError(f"{where}/{file} does not match its card: its SHA-256 is {found}")
                (staged / CARD).write_bytes(card)
                _move(staged, target)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{where} cannot be fetched: {error!r}") from None
        logger.info("fetched %s to %s", where, target)

    def _download(self, path: str, to: Path) -> str:
        """Copy a file to the disk and return its SHA-256."""
        digest = hashlib.sha256()
        with self._files.open(path, "rb") as source, to.open("wb") as copy:
            while piece := source.read(PIECE_BYTES):
                digest.update(piece)
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())  # the folder must be complete even after a power cut
        return digest.hexdigest()

    def _path(self, name: str, version: int, file: str) -> str:
        return f"{self._root}/{name}/{version}/{file}"


def _move(staged: Path, target: Path) -> None:
    try:
        os.rename(staged, target)
    except OSError:
        if not (target / CARD).is_file():  # another process has fetched the same version
            raise


def _hashes(card: ModelCard, where: str) -> dict[str, str]:
    """Return the SHA-256 of each file that the card lists. Raises ModelError if a file could not be checked."""
    files = card.get("files")
    if not files:
        raise ModelError(f"{where}/{CARD} lists no files to fetch")
    for file, sha256 in files.items():
        if not _FILE.fullmatch(file) or file == CARD:
            raise ModelError(f"{where}/{CARD} lists {file!r}, which is no valid file name")
        if not _SHA256.fullmatch(sha256):
            raise ModelError(f"{where}/{CARD} has no SHA-256 of {file}")
    return files
