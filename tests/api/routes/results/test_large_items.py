"""Items that are large or take long: pages end early, and other requests are served meanwhile."""

import asyncio
import threading
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from api.queue.answers import job_view
from api.queue.answers.answer_json import number_json
from api.queue.answers.job_view import block_item
from api.queue.jobs import store
from api.routes.results import results
from shared.contract.block import Block
from shared.contract.block.codec import encode_block
from shared.contract.job import JOB_CODEC, MANIFEST_CODEC, Job, Manifest, NumberLine, Piece
from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.support.api_in_process import running_api
from tests.support.uploads import noise, npy

ITEMS = 300
JOB = Job(id="j0123456789abcdef", model="cnn@1", created_ms=1, chunk_images=4, total=4, done=4, finished_ms=2)
BLOCK = Block(np.full(4, 7, np.uint16), np.eye(10, dtype=np.float32)[[7] * 4], "cnn@1", "w", 1, 4, 1.0, 1.0)
NAMES = ((0, "first"), (1, "second"), (2, "third"))
LINE = NumberLine((1,), (Piece((0, 0, 9, 9), 0.0),))
READ = msgspec.structs.replace(
    BLOCK, probabilities=np.eye(11, dtype=np.float32)[[7] * 4], scores=np.ones(4, np.float32), rule=0.5
)


async def read_all(http: httpx.AsyncClient, url: str) -> tuple[list[dict[str, Any]], int]:
    """Return all items from `url` on, and the number of pages."""
    items, pages = [], 0
    while url:
        page = (await http.get(url)).json()
        items += page["items"]
        url, pages = page["next"], pages + 1
    return items, pages


@pytest.mark.parametrize("limit", ["MAX_PAGE_BYTES", "MAX_PAGE_S"])
async def test_a_page_of_large_or_slow_items_ends_early_and_names_the_next(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    async with running_api(scratch_url) as http:
        reply = await http.post("/mnist/classify/bulk", content=npy(noise(ITEMS)))
        url = f"/results/{reply.json()['id']}/items?limit=250"
        items, pages = await read_all(http, url)
        assert pages == 2
        monkeypatch.setattr(results, limit, {"MAX_PAGE_BYTES": 10_000, "MAX_PAGE_S": 0.0}[limit])
        assert (await read_all(http, url))[0] == items
        assert len((await http.get(url)).json()["items"]) < 250
    assert [item["index"] for item in items] == list(range(ITEMS))


async def test_other_requests_are_served_while_numbers_are_read(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, read = threading.Event(), threading.Event(), []

    def read_when_released(*given: Any) -> Any:
        read.append(given)
        begun.set()
        assert go_on.wait(30)
        return number_json(*given)

    monkeypatch.setattr(job_view, "number_json", read_when_released)
    manifest = Manifest(numbers=[LINE] * JOB.chunk_images)
    client.hset(keys.job(JOB.id), mapping=JOB_CODEC.encode(JOB))
    client.hset(keys.job_blocks(JOB.id), "0", encode_block(READ))
    client.hset(keys.job_manifests(JOB.id), "0", MANIFEST_CODEC.encode(manifest))
    async with running_api(scratch_url) as http:
        reading = asyncio.ensure_future(http.get(f"/results/{JOB.id}/items"))
        assert await asyncio.to_thread(begun.wait, 30)
        assert (await http.get("/healthz")).status_code == 200, "the event loop is free while numbers are read"
        assert not reading.done()
        go_on.set()
        assert [item["text"] for item in (await reading).json()["items"]] == ["7"] * 4
        read.clear()
        assert len((await http.get(f"/results/{JOB.id}/items?offset=2&limit=1")).json()["items"]) == 1
        assert len(read) == 1, "the other items of the chunk are not read"


async def test_many_small_items_let_other_requests_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_TURN_S", 0.0)
    other = asyncio.ensure_future(asyncio.sleep(0))
    served_before = {}
    async for item in store._in_turns(iter([block_item(BLOCK, row, row, name) for row, name in NAMES])):
        served_before[item["name"]] = other.done()
    assert served_before == {"first": False, "second": False, "third": True}
