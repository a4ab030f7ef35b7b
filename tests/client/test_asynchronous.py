"""The asynchronous client against the running service."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistified import AsyncClient, Client, Conflict, JobState
from mnistified.http import calls
from mnistified.http.exchange import Body, Exchange
from tests.client.conftest import FOLDER_IMAGES
from tests.support.registries import DEFAULT
from tests.support.system import System


async def test_it_answers_like_the_synchronous_client(system: System, pngs: list[bytes]) -> None:
    async with AsyncClient(system.url) as client:
        results = await asyncio.gather(*(client.classify(png) for png in pngs[:30]))
    with Client(system.url) as synchronous:
        assert [result.prediction for result in results] == [synchronous.classify(png).prediction for png in pngs[:30]]


async def test_the_items_of_a_folder_are_in_order(system: System, folder: Path) -> None:
    async with AsyncClient(system.url) as client:
        job = await client.submit(folder)
        items = [item async for item in job.items()]
        assert "cnn" in await client.models()
        state, items = (await job.wait(50)).state, items
    assert state == "done"
    assert [item.index for item in items] == list(range(FOLDER_IMAGES))


async def test_a_job_is_found_by_its_id_and_cancelled(system: System, pngs: list[bytes]) -> None:
    async with AsyncClient(system.url) as client:
        job = await (await client.job((await client.submit(pngs)).id)).refresh()
        assert (await job.cancel()).state in ("cancelled", "done")


async def test_aliases_are_changed_and_their_changes_read(system: System) -> None:
    name, version = DEFAULT.ref.split("@")
    async with AsyncClient(system.url) as client:
        await client.set_alias(name, "async", int(version))
        await client.delete_alias(name, "async", reason="a test")
        assert [change["reason"] for change in await client.alias_changes(name, 2)] == ["a test", ""]


async def test_arrays_that_the_service_resizes_are_sent_as_files(monkeypatch: pytest.MonkeyPatch) -> None:
    types: list[str] = []

    def submit(body: Body, *_: Any) -> Exchange[JobState]:
        types.append(body.content_type)
        raise Conflict(409, "Conflict", "a test")
        yield

    monkeypatch.setattr(calls, "submit", submit)
    pictures = np.zeros((2, 50, 70, 3), np.uint8)
    with Client() as client, pytest.raises(Conflict):
        client.submit(pictures, model="person", resize="crop")
    async with AsyncClient() as other:
        with pytest.raises(Conflict):
            await other.submit(pictures, model="person", resize="crop")
    assert types == ["application/x-tar"] * 2


def test_an_option_that_does_not_exist_is_named() -> None:
    with Client() as client, pytest.raises(TypeError, match="'modle'"):
        client.classify(np.zeros((28, 28), np.uint8), modle="cnn")  # type: ignore[call-arg]
