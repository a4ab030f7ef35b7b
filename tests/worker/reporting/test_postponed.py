"""Reports that are made together."""

import threading
from functools import partial

from worker.reporting.postponed import TOGETHER, Postponed


def test_calls_wait_until_there_are_enough_and_are_made_in_order() -> None:
    postponed, made = Postponed(), list[int]()
    for number in range(TOGETHER - 1):
        postponed.add(partial(made.append, number))
    assert made == []
    postponed.add(partial(made.append, TOGETHER - 1))
    assert made == list(range(TOGETHER))


def test_a_reader_of_the_counts_makes_the_calls_that_wait() -> None:
    postponed, made = Postponed(), list[int]()
    postponed.add(partial(made.append, 1))
    postponed.call_all()
    postponed.call_all()
    assert made == [1]


def test_a_lone_call_is_made_a_moment_later() -> None:
    postponed, made, ended = Postponed(), threading.Event(), threading.Event()
    thread = threading.Thread(target=postponed.call_until, args=(ended,))
    thread.start()
    postponed.add(made.set)
    assert made.wait(10)
    ended.set()
    thread.join(10)
    assert not thread.is_alive()


def test_calls_that_several_threads_make_are_made_once() -> None:
    postponed, made = Postponed(), list[int]()
    start = threading.Barrier(4)

    def add_some(first: int) -> None:
        start.wait()
        for number in range(first, first + 500):
            postponed.add(partial(made.append, number))

    threads = [threading.Thread(target=add_some, args=(first,)) for first in (0, 500, 1000, 1500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    postponed.call_all()
    assert sorted(made) == list(range(2000))
