"""Dead letters: every image that killed its workers is listed, and can be replayed once the model is fixed."""

import time
from collections.abc import Sequence
from typing import Any

import httpx

from tools.faults.account import complaint_of_answer, wrong
from tools.faults.drills.scene import Scene
from tools.faults.load.http import Client

PATH = "/dead-letters"
MAX_S = 20.0
POLL_S = 0.05


def read_letters(client: Client) -> dict[str, dict[str, Any]]:
    """Return the dead letters by id. Raises httpx.HTTPStatusError if they cannot be read."""
    deadline_s = time.monotonic() + MAX_S
    while (content := client.get_json(PATH)) is None:
        assert time.monotonic() < deadline_s, f"{PATH} cannot be read"
        time.sleep(POLL_S)
    return {letter["id"]: letter for letter in content["dead_letters"]}


def check_letters(scene: Scene, client: Client, before: int, job: str, index: int) -> int:
    """Check that there is one more than `before`, and that it names job and index. Return the new count."""
    try:
        letters = read_letters(client)
    except httpx.HTTPStatusError as error:
        scene.record.add(wrong(f"{PATH}: {error.response.status_code}"))
        return before
    if len(letters) != before + 1:
        scene.record.add(wrong(f"{len(letters)} dead letters, expected {before + 1}"))
    elif job and (job, index) not in [(letter["job"], letter["index"]) for letter in letters.values()]:
        scene.record.add(wrong(f"no dead letter for image {index} of {job}: {list(letters.values())[:3]}"))
    elif not all(letter["reason"] for letter in letters.values()):
        scene.record.add(wrong(f"a dead letter without a reason: {list(letters.values())[:3]}"))
    return len(letters)


def replay_all(scene: Scene, numbers: Sequence[int]) -> None:
    """Replay every dead letter. The engine works again, so each replay must be answered correctly."""
    client = scene.load.client()
    try:
        for letter_id in read_letters(client):
            complaint = complaint_of_replay(scene, client, letter_id, numbers)
            if complaint:
                scene.record.add(wrong(f"replay of {letter_id}: {complaint}"))
    except httpx.HTTPStatusError as error:
        scene.record.add(wrong(f"replaying: {error}"))
    finally:
        client.close()


def complaint_of_replay(scene: Scene, client: Client, letter_id: str, numbers: Sequence[int]) -> str:
    reply = client.post(f"{PATH}/{letter_id}/replay", b"", {})
    if reply is None or reply.status_code != 202:
        return "the connection broke" if reply is None else f"{reply.status_code}: {reply.text[:200]}"
    location = reply.headers["location"]
    job = client.get_json(f"{location}?wait={MAX_S}")
    page = client.get_json(f"{location}/items")
    if job is None or page is None or [item["state"] for item in page["items"]] != ["done"]:
        return f"ended as {job}, {page}"
    item = page["items"][0]
    expected = scene.pictures.oracle.expected[list(numbers)]
    complaints = [complaint_of_answer(item["prediction"], item["probabilities"], each) for each in expected]
    return complaints[0] if all(complaints) else ""
