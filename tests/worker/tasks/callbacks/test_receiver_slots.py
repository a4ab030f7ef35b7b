import threading

import pytest

from worker.tasks.callbacks.receiver_slots import Places


def test_one_receiver_has_so_many_places_and_another_has_its_own() -> None:
    places = Places(2, 0)
    with places.take("a") as first, places.take("a") as second, places.take("a") as third, places.take("b") as other:
        assert (first, second, third, other) == (True, True, False, True)


def test_a_place_is_free_again_whatever_happened_in_it() -> None:
    places = Places(1, 0)
    with pytest.raises(ZeroDivisionError), places.take("a"):
        raise ZeroDivisionError
    with places.take("a") as free, places.take("a") as second:
        assert free
        assert not second
    with places.take("a") as free:
        assert free, "one that was refused gives nothing back"


def test_one_that_waits_gets_the_place_that_becomes_free() -> None:
    places = Places(1, 30)
    got: list[bool] = []

    def wait() -> None:
        with places.take("a") as free:
            got.append(free)

    with places.take("a"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got
    thread.join(30)
    assert got == [True]
