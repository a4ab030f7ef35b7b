"""The routes for any version: their entries on the queue, and the requests that they refuse before that."""

from pathlib import Path

import numpy as np
import orjson
import pytest

from shared.contract.entry import ENTRY_BYTES
from shared.contract.entry.codec import decode_entry
from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.support.api_in_process import running_api
from tests.support.processes import ROOT
from tests.support.registries import write_heartbeat
from tests.support.uploads import image_file, npy

NPY = {"Content-Type": "application/x-npy"}
PERSON = {"input": {"height": 96, "width": 96, "channels": 3}, "labels": ["no person", "person"]}
WORDS = {"input": {"height": 8, "width": 8, "channels": 1, "resize": "pad"}, "labels": [f"w{n}" for n in range(40)]}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A registry of cnn and of two versions that have only their cards."""
    (tmp_path / "cnn").symlink_to(ROOT / "models/cnn")
    for name, card in (("person", PERSON), ("words", WORDS), ("broken", {"input": {"height": 8}})):
        folder = tmp_path / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.json").write_bytes(orjson.dumps(card))
    return tmp_path


async def test_the_entries_of_large_images_are_bounded_by_bytes(
    client: SyncClient, scratch_url: str, models: Path
) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (50, 96, 96, 3), np.uint8)
    async with running_api(scratch_url, {"MODELS_DIR": str(models)}) as http:
        reply = await http.post("/models/person/classify/bulk", content=npy(pictures), headers=NPY)
        assert reply.status_code == 202, reply.text
    found = [fields for stream in keys.streams("person", "bulk") for _, fields in client.xrange(stream)]
    entries = [decode_entry(fields) for fields in found]
    assert [entry.count for entry in entries] == [18, 18, 14]
    assert all(len(entry.pixels) <= ENTRY_BYTES for entry in entries)
    assert np.array_equal(np.concatenate([entry.images for entry in entries]), pictures)
    queued = client.hmget(keys.queued("person", "bulk"), "images", "bytes")
    assert queued == [b"50", b"%d" % sum(entry.queued_bytes for entry in entries)]


async def test_a_lane_refuses_large_images_by_their_bytes(client: SyncClient, scratch_url: str, models: Path) -> None:
    environ = {"MODELS_DIR": str(models), "MAX_QUEUED_BULK_BYTES": "1000000", "UPLOAD_STALL_S": "0.1"}
    async with running_api(scratch_url, environ) as http:
        body = npy(np.zeros((50, 96, 96, 3), np.uint8))
        reply = await http.post("/models/person/classify/bulk", content=body, headers=NPY)
        assert reply.status_code == 429
        assert "queued bytes, and may have 1000000" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/models/nobody/classify", b"x", 404, "no model 'nobody'"),
        ("/models/person@7/classify", b"x", 404, "no version '7'"),
        ("/models/broken/classify", b"x", 503, "broken@1 cannot be used: the card cannot be used"),
        ("/models/person/classify", b"text", 400, "not an image"),
        (
            "/models/person/classify/bulk",
            npy(np.zeros((2, 28, 28), np.uint8)),
            400,
            "expected an array of uint8[N,96,96,3]",
        ),
        ("/models/person/classify/bulk", b'{"start": 0}', 415, "no list of images here"),
        ("/models/person/classify/bulk?verbose=1", b"x", 422, "verbose=1 is for one image"),
        ("/mnist/classify?model=words", image_file(np.zeros((8, 8), np.uint8)), 400, "/models/words@1/classify"),
        ("/mnist/classify/bulk?model=words", b'{"start": 0}', 400, "/models/words@1/classify/bulk"),
    ],
)
async def test_a_request_that_cannot_be_served_says_why(
    client: SyncClient, scratch_url: str, models: Path, path: str, body: bytes, status: int, detail: str
) -> None:
    async with running_api(scratch_url, {"MODELS_DIR": str(models)}) as http:
        reply = await http.post(path, content=body)
        assert (reply.status_code, detail in reply.json()["detail"]) == (status, True), reply.text
    assert not client.exists(keys.queued("person", "bulk"))


async def test_a_card_says_what_happens_to_other_sizes_and_how_many_labels_are_kept(
    client: SyncClient, scratch_url: str, models: Path
) -> None:
    async with running_api(scratch_url, {"MODELS_DIR": str(models)}) as http:
        write_heartbeat(client, "w", "words@1")
        headers = {"Prefer": "respond-async"}
        picture = image_file(np.full((4, 16), 200, np.uint8))
        reply = await http.post("/models/words/classify?top=7", content=picture, headers=headers)
        assert reply.status_code == 202, reply.text
        described = (await http.get("/v2/models/words")).json()
        assert described["inputs"][0]["shape"] == [-1, 8, 8]
        assert described["outputs"][0]["shape"] == [-1, 40]
    ((_, fields),) = client.xrange(keys.stream("words", "interactive"))
    entry = decode_entry(fields)
    assert (entry.shape, entry.top, entry.format) == ((8, 8, 1), 7, 2)
    assert entry.images[0, [0, 2, 3, 4, 5, 7], 4].tolist() == [0, 0, 200, 200, 0, 0]
