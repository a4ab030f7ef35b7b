import asyncio

import pytest

from api.http import capacity
from api.http.capacity import Capacity, refusal_delay_s
from shared.errors import QueueFull


def test_a_slot_beyond_the_limit_is_refused_until_one_is_free() -> None:
    requests = Capacity(1, "decoding", "{} in progress")
    with requests.slot():
        with pytest.raises(QueueFull, match="1 in progress") as refused:
            requests.slot()
        assert (refused.value.reason, refused.value.retry_after_s) == ("decoding", 1)
        with requests:  # counted without a check
            assert (requests.in_progress, requests.full) == (2, True)
    assert (requests.in_progress, requests.full) == (0, False)


async def test_a_late_refusal_names_the_state_before_its_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "DELAY_S", (0.0, 0.0))
    requests = Capacity(1, "waiting", "{} in progress")
    with requests:
        refusal = asyncio.create_task(requests.refuse_late(retry_after_s=7))
        await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="1 in progress") as refused:
        await refusal
    assert (refused.value.reason, refused.value.retry_after_s) == ("waiting", 7)


@pytest.mark.parametrize(
    ("load", "jitter", "delay_s"),
    [(0.1, 0.0, 0.5), (1.0, 1.0, 1.5), (2.0, 0.5, 2.0), (3.0, 0.0, 1.5), (50.0, 0.5, 3.0), (50.0, 1.0, 4.5)],
)
def test_the_delay_of_a_refusal_grows_with_the_load(load: float, jitter: float, delay_s: float) -> None:
    assert refusal_delay_s(load, jitter) == pytest.approx(delay_s)
