"""`Idempotency-Key`: an upload that is sent again gets the job that it already has."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from shared.data.dataset import Split
from tests.support.system import System
from tests.support.uploads import idx


def submit(system: System, key: str, **request: object) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return system.http.post("/mnist/classify/bulk", headers=headers, **request)  # type: ignore[arg-type]


def test_the_same_key_and_images_give_the_same_job(system: System, test_set: Split) -> None:
    body = idx(test_set.images[:20])
    first, again = (submit(system, "same", content=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["location"] == again.headers["location"]
    assert system.finished(first.json()["id"])["counts"]["done"] == 20


def test_the_same_files_packed_differently_give_the_same_job(system: System) -> None:
    png = system.http.get("/mnist/image/1", headers={"Accept": "image/png"}).content
    files = [("files", ("1.png", png))]
    first, again = (submit(system, "packed anew", files=files) for _ in range(2))
    assert first.request.headers["content-type"] != again.request.headers["content-type"], "two boundaries"
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    "other", [{"json": {"start": 0, "stop": 4}}, {"json": {"start": 1, "stop": 6}}], ids=["fewer", "others"]
)
def test_the_same_key_for_other_images_is_a_409(system: System, other: dict[str, object]) -> None:
    key = f"other {other}"
    assert submit(system, key, json={"start": 0, "stop": 5}).status_code == 202
    refused = submit(system, key, **other)
    assert refused.status_code == 409
    assert "other images" in refused.json()["detail"]


def test_another_key_gives_another_job(system: System) -> None:
    ids = {submit(system, key, json={"start": 0, "stop": 5}).json()["id"] for key in ("one", "two")}
    assert len(ids) == 2


def test_a_key_is_taken_during_its_first_upload(system: System, test_set: Split) -> None:
    body = idx(test_set.images[:600])
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield body[:300_000]
        begun.set()
        assert go_on.wait(30)
        yield body[300_000:]

    replies: list[httpx.Response] = []
    first = threading.Thread(target=lambda: replies.append(submit(system, "slow", content=slowly())))
    first.start()
    assert begun.wait(30)
    early = httpx.post(f"{system.url}/mnist/classify/bulk", headers={"Idempotency-Key": "slow"}, content=body)
    assert early.status_code == 409
    assert "still in progress" in early.json()["detail"]
    assert early.headers["retry-after"] == "1"
    go_on.set()
    first.join(30)
    assert replies[0].status_code == 202
    assert submit(system, "slow", content=body).json()["id"] == replies[0].json()["id"]


def test_a_key_is_free_again_after_a_failed_upload(system: System, test_set: Split) -> None:
    body = idx(test_set.images[:300])
    assert submit(system, "failed", content=body[:-1]).status_code == 400
    assert submit(system, "failed", content=body).status_code == 202


def test_an_asynchronous_single_request_supports_it_too(system: System) -> None:
    headers = {"Prefer": "respond-async", "Idempotency-Key": "single"}
    ids = {system.http.get("/mnist/classify/3", headers=headers).json()["id"] for _ in range(3)}
    assert len(ids) == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_invalid_key_is_a_422(system: System, key: str) -> None:
    assert submit(system, key, json={"start": 0, "stop": 1}).status_code == 422


def test_two_keys_are_a_422(system: System) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    refused = system.http.post("/mnist/classify/bulk", headers=headers, json={"start": 0, "stop": 5})
    assert (refused.status_code, refused.json()["detail"]) == (422, "expected one Idempotency-Key header, got 2")
