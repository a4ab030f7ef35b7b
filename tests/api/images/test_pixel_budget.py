import threading

import pytest

from api.images.pixel_budget import PixelBudget
from shared.errors import QueueFull


def test_pixels_beyond_the_budget_wait_until_others_are_done() -> None:
    budget, second_holds = PixelBudget(100), threading.Event()

    def second() -> None:
        with budget.take(50):
            second_holds.set()

    with budget.take(60):
        thread = threading.Thread(target=second)
        thread.start()
        assert not second_holds.wait(0.05)
    assert second_holds.wait(10)
    thread.join()


def test_what_waits_too_long_is_refused_and_the_budget_stays_whole() -> None:
    budget = PixelBudget(100, wait_s=0.01)
    with budget.take(60):
        with budget.take(40):  # all of it is used
            pass
        with pytest.raises(QueueFull, match="60 pixels") as refused, budget.take(41):
            pass
        assert (refused.value.reason, refused.value.retry_after_s) == ("decoding", 2)
    with budget.take(1_000_000), pytest.raises(QueueFull), budget.take(1):  # a picture of more pixels runs alone
        pass
    with budget.take(100):
        pass
