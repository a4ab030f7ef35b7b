"""The `data` command: fetch MNIST's four files from public mirrors, resume, and check them."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from tqdm import tqdm

from shared.data import dataset
from shared.errors import DatasetError

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
TIMEOUT_S = 30.0  # for connecting and between two pieces, not for a whole file


def run(options: Namespace, command: str) -> None:
    """Fetch into `--dir`. Raises DatasetError where `fetch_all` does."""
    fetch_all(options.dir)
    print(f"{options.dir} holds MNIST: {len(dataset.SHA256)} files, all as published")


def fetch_all(directory: Path, mirrors: Sequence[str] = MIRRORS, sha256: Mapping[str, str] = dataset.SHA256) -> None:
    """Leave `<name>.gz` in `directory` for every name in `sha256` (the hashes of their uncompressed bytes).

    What is there and intact is not fetched again. A broken-off file stays as `<name>.gz.part`; the next
    mirror, or the next call, goes on from its end. Raises DatasetError, with every mirror's reason, when
    none has a file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as client:
        for name, expected in sha256.items():
            target = directory / f"{name}.gz"
            if not _is_intact(target, expected):
                _fetch(client, mirrors, target, expected)


def _is_intact(path: Path, expected: str) -> bool:
    try:
        dataset.read_file(path, expected)
    except DatasetError:
        return False
    return True


def _fetch(client: httpx.Client, mirrors: Sequence[str], target: Path, expected: str) -> None:
    part = target.with_name(f"{target.name}.part")
    reasons = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + target.name
        # Mirrors may have compressed the same file differently: a part that does not fit is begun again.
        for _ in range(2 if part.exists() else 1):
            try:
                _download(client, url, part)
                dataset.read_file(part, expected)
            except httpx.HTTPError as error:
                reasons.append(f"{url}: {error or type(error).__name__}")
                break
            except DatasetError:
                reasons.append(f"{url}: what came is not the published file")
                part.unlink()
            else:
                os.replace(part, target)
                return
    raise DatasetError(f"no mirror has {target.name}:\n  " + "\n  ".join(reasons))


def _download(client: httpx.Client, url: str, part: Path) -> None:
    """Bring `part` to its full length, from where it ends.

    Raises httpx.HTTPError; what came until then stays.
    """
    offset = part.stat().st_size if part.exists() else 0
    # As stored: a server that unpacks on the way would shift every byte range.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing beyond what is here: its hash decides
        response.raise_for_status()
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            offset = 0  # this server sends all or nothing
        length = response.headers.get("Content-Length")
        with (
            part.open("ab" if offset else "wb") as file,
            tqdm(
                desc=part.stem,
                initial=offset,
                total=offset + int(length) if length else None,
                unit="B",
                unit_scale=True,
                disable=None,  # shown on a terminal only
            ) as bar,
        ):
            for piece in response.iter_raw():
                file.write(piece)
                bar.update(len(piece))
