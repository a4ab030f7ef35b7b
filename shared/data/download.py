"""Downloads MNIST from public mirrors and verifies it.

`python -m shared.data.download FOLDER` downloads only the test set.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from tqdm import tqdm

from shared.config.settings import load_settings
from shared.data import dataset
from shared.errors import DatasetError

TIMEOUT_S = 30.0  # for connecting and between two chunks, not for a whole file


def main() -> None:
    try:
        settings = load_settings(os.environ, redis_url_file=Path(os.devnull))
        wanted = {name: dataset.SHA256[name] for name in dataset.FILES["test"]}
        fetch(Path(sys.argv[1]), settings.mnist_mirrors.split(), wanted)
    except (DatasetError, OSError) as error:
        sys.exit(str(error))


def fetch(directory: Path, mirrors: Sequence[str], sha256: Mapping[str, str]) -> None:
    """Download `<name>.gz` into `directory` for every name in `sha256` (hashes of the uncompressed bytes).

    Skips files that are intact. An interrupted download stays as `<name>.gz.part`, and the next mirror or the next
    call resumes it. Raises DatasetError with the reason of every mirror if no mirror has a file.
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
        # Mirrors may compress the same file differently. A part that does not fit is downloaded again from the start.
        for _ in range(2 if part.exists() else 1):
            try:
                _download(client, url, part)
                dataset.read_file(part, expected)
            except httpx.HTTPError as error:
                reasons.append(f"{url}: {error or type(error).__name__}")
                break
            except DatasetError:
                reasons.append(f"{url}: the download is not the published file")
                part.unlink()
            else:
                os.replace(part, target)
                return
    raise DatasetError(f"no mirror has {target.name}:\n  " + "\n  ".join(reasons))


def _download(client: httpx.Client, url: str, part: Path) -> None:
    """Append the missing bytes to `part`. Raises httpx.HTTPError, but keeps the bytes received until then."""
    offset = part.stat().st_size if part.exists() else 0
    # Request the file as stored: a server that decompresses it would shift every byte range.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the part is complete: the caller checks its hash
        response.raise_for_status()
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            offset = 0  # the server does not support ranges and sends the whole file
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
            for chunk in response.iter_raw():
                file.write(chunk)
                bar.update(len(chunk))


if __name__ == "__main__":
    main()
