import asyncio
import threading
from pathlib import Path

import pytest

from api.versions import catalog
from api.versions.catalog import Catalog


def add(models_dir: Path, name: str, version: int) -> None:
    folder = models_dir / name / str(version)
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(f'{{"version": {version}}}')


def test_it_has_the_versions_at_its_creation(tmp_path: Path) -> None:
    add(tmp_path, "cnn", 1)
    known = Catalog(tmp_path)
    add(tmp_path, "cnn", 2)
    assert known.models == {"cnn": [1]}
    assert (known.versions("cnn"), known.versions("no")) == ([1], ())


def test_a_card_is_read_once(tmp_path: Path) -> None:
    add(tmp_path, "cnn", 1)
    known = Catalog(tmp_path)
    assert asyncio.run(known.card("cnn@1")) == {"version": 1}
    (tmp_path / "cnn" / "1" / "model.json").unlink()
    assert asyncio.run(known.card("cnn@1")) == {"version": 1}


async def test_it_is_read_repeatedly_and_kept_while_reading_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(tmp_path, "cnn", 1)
    known = Catalog(tmp_path)
    seen: list[dict[str, list[int]]] = []
    read = threading.Event()

    def list_again(registry: Path, known_models: object) -> dict[str, list[int]]:
        seen.append(dict(known.models))  # type: ignore[arg-type]
        if len(seen) == 1:
            raise OSError("the disk is away")
        if len(seen) == 3:
            read.set()
        return {"cnn": [1, 2]}

    monkeypatch.setattr(catalog, "list_again", list_again)
    monkeypatch.setattr(catalog, "TICK_S", 0.0)
    watching = asyncio.create_task(known.watch())
    assert await asyncio.to_thread(read.wait, 10)
    watching.cancel()
    assert seen[:3] == [{"cnn": [1]}, {"cnn": [1]}, {"cnn": [1, 2]}]
    assert "the disk is away" in caplog.text
