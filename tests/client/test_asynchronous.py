"""The asynchronous client against the running service."""

import asyncio
from pathlib import Path

from mnistified import AsyncClient, Client
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
