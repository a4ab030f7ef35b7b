import threading

import pytest

from worker.tasks.callbacks.receiver_slots import ReceiverSlots


def test_each_receiver_has_its_own_slots() -> None:
    slots = ReceiverSlots(2, 0)
    with slots.take("a") as first, slots.take("a") as second, slots.take("a") as third, slots.take("b") as other:
        assert (first, second, third, other) == (True, True, False, True)


def test_a_slot_is_free_again_after_an_error() -> None:
    slots = ReceiverSlots(1, 0)
    with pytest.raises(ZeroDivisionError), slots.take("a"):
        raise ZeroDivisionError
    with slots.take("a") as free, slots.take("a") as second:
        assert free
        assert not second
    with slots.take("a") as free:
        assert free, "one that was refused gives nothing back"


def test_a_waiting_thread_gets_the_slot_that_becomes_free() -> None:
    slots = ReceiverSlots(1, 30)
    got: list[bool] = []

    def wait() -> None:
        with slots.take("a") as free:
            got.append(free)

    with slots.take("a"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got
    thread.join(30)
    assert got == [True]
