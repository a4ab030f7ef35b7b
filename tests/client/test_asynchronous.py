"""The asynchronous client against the running service."""

import asyncio
from pathlib import Path

from mnistified import AsyncClient, Client, Item, Result
from tests.client.conftest import FOLDER_IMAGES
from tests.support.registries import DEFAULT
from tests.support.system import System


def test_it_answers_like_the_synchronous_client(system: System, pngs: list[bytes]) -> None:
    async def classify_all() -> list[Result]:
        async with AsyncClient(system.url) as client:
            return await asyncio.gather(*(client.classify(png) for png in pngs[:30]))

    with Client(system.url) as client:
        assert [result.prediction for result in asyncio.run(classify_all())] == [
            client.classify(png).prediction for png in pngs[:30]
        ]


def test_the_items_of_a_folder_are_in_order(system: System, folder: Path) -> None:
    async def submit() -> tuple[str, list[Item]]:
        async with AsyncClient(system.url) as client:
            job = await client.submit(folder)
            items = [item async for item in job.items()]
            assert "cnn" in await client.models()
            return (await job.wait(50)).state, items

    state, items = asyncio.run(submit())
    assert state == "done"
    assert [item.index for item in items] == list(range(FOLDER_IMAGES))


def test_a_job_is_found_by_its_id_and_cancelled(system: System, pngs: list[bytes]) -> None:
    async def cancel() -> str:
        async with AsyncClient(system.url) as client:
            job = await (await client.job((await client.submit(pngs)).id)).refresh()
            return (await job.cancel()).state

    assert asyncio.run(cancel()) in ("cancelled", "done")


def test_aliases_are_changed_and_their_changes_read(system: System) -> None:
    async def change() -> list[str]:
        name, version = DEFAULT.ref.split("@")
        async with AsyncClient(system.url) as client:
            await client.set_alias(name, "async", int(version))
            await client.delete_alias(name, "async", reason="a test")
            return [change["reason"] for change in await client.alias_changes(name, 2)]

    assert asyncio.run(change()) == ["a test", ""]
