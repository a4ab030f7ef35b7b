"""`?accept=` over HTTP: answers below a threshold are unsure."""

import time

import numpy as np
import pytest

from shared.data.dataset import Split
from shared.images import Images
from tests.support.system import System
from tests.support.uploads import image_file, npy


@pytest.fixture(scope="module")
def between(test_set: Split) -> Images:
    """Return uint8[28,28], two digits in one image, of which no network can be sure."""
    both: Images = np.maximum(test_set.images[0], test_set.images[42])
    return both


def test_one_image_is_unsure_below_the_threshold_of_the_request(system: System, between: Images) -> None:
    plain = system.http.post("/mnist/classify", content=image_file(between)).json()
    confidence = max(plain["debug"]["probabilities"])
    assert "state" not in plain
    above = system.http.post("/mnist/classify", params={"accept": "1"}, content=image_file(between))
    unsure = above.json()
    assert (above.status_code, unsure["state"], unsure["prediction"]) == (200, "unsure", None)
    assert unsure["confident"] is False
    assert unsure["guesses"][0]["prediction"] == plain["prediction"]
    assert unsure["guesses"][0]["confidence"] == pytest.approx(confidence, abs=1e-5)
    assert len(unsure["guesses"]) == 3
    off = system.http.post("/mnist/classify", params={"accept": "0"}, content=image_file(between)).json()
    assert off["prediction"] == plain["prediction"]
    low = system.http.post("/mnist/classify", params={"accept": "0.1"}, content=image_file(between)).json()
    assert (low["state"], low["confident"], low["prediction"]) == ("done", True, plain["prediction"])


@pytest.mark.parametrize("accept", ["1.01", "-0.1", "nan", "sure"])
def test_a_threshold_that_is_no_share_is_a_422(system: System, between: Images, accept: str) -> None:
    for path in ("/mnist/classify", "/mnist/classify/bulk"):
        reply = system.http.post(path, params={"accept": accept}, content=image_file(between))
        assert reply.status_code == 422
        assert "from 0 to 1" in reply.json()["detail"]


def test_a_job_counts_its_unsure_images_and_is_done(system: System, between: Images, test_set: Split) -> None:
    images = np.stack([test_set.images[42], between, np.zeros((28, 28), np.uint8)])
    params = {"accept": "1"}
    job = system.http.post("/mnist/classify/bulk", params=params, content=npy(images)).json()
    result = system.http.get(f"/results/{job['id']}", params={"wait": "30"}).json()
    assert result["counts"] == {"done": 0, "unsure": 2, "failed": 1, "expired": 0, "cancelled": 0}
    assert result["state"] == "done_with_errors"
    items = system.http.get(f"/results/{job['id']}/items").json()["items"]
    assert [item["state"] for item in items] == ["unsure", "unsure", "failed"]
    assert items[0]["prediction"] is None
    assert items[0]["guesses"][0]["prediction"] == test_set.labels[42]


def test_requests_with_other_thresholds_do_not_share_an_entry(system: System, between: Images) -> None:
    job = system.http.post(
        "/mnist/classify", params={"accept": "1"}, headers={"Prefer": "respond-async"}, content=image_file(between)
    ).json()
    states = [
        system.http.post("/mnist/classify", params={"accept": accept}, content=image_file(between)).json().get("state")
        for accept in ("1", "0", "0.05")
    ]
    assert states == ["unsure", None, "done"]
    assert system.http.get(f"/results/{job['id']}", params={"wait": "30"}).json()["counts"]["unsure"] == 1


def test_a_key_stands_for_one_threshold(system: System, between: Images) -> None:
    headers = {"Idempotency-Key": f"accept-{time.time_ns()}"}
    first, other, again = (
        system.http.post("/mnist/classify/bulk", params=params, headers=headers, content=npy(between[None]))
        for params in ({"accept": "0.5"}, {"accept": "0.6"}, {"accept": "0.5"})
    )
    assert (first.status_code, other.status_code, again.json()["id"]) == (202, 409, first.json()["id"])


@pytest.mark.parametrize("fit", [{"fit": "digit"}, {}])
def test_only_an_unsure_picture_of_several_digits_gets_the_advice_to_try_numbers(
    system: System, test_set: Split, fit: dict[str, str]
) -> None:
    one = np.pad(test_set.images[0], 10)
    for picture, several in ((one, False), (np.concatenate([one, one], 1), True)):
        params = {"accept": "1", **fit}
        if not fit:
            picture = picture[:28, :28]
        unsure = system.http.post("/mnist/classify", params=params, content=image_file(picture)).json()
        assert unsure["state"] == "unsure"
        assert ("advice" in unsure) == (several and bool(fit))
