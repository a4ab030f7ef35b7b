"""How batches form: interactive first, bulk fills up, one model each, nothing twice."""

import threading
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.keys import LANES, Lane
from tests.worker.deliveries_of import delivery
from worker.backlog import Backlog, Delivery, next_batch

Queues = dict[Lane, deque[Delivery]]


def queues(interactive: list[Delivery], bulk: list[Delivery]) -> Queues:
    return {"interactive": deque(interactive), "bulk": deque(bulk)}


def test_interactive_goes_first_and_bulk_fills_the_batch() -> None:
    single, chunk = delivery(3, "interactive"), delivery(100)
    batch = next_batch(queues([single], [chunk]), 64)
    assert [(part.delivery, part.start, part.stop) for part in batch] == [(single, 0, 3), (chunk, 0, 61)]


def test_a_large_entry_is_run_in_slices_and_keeps_its_place() -> None:
    first, second = delivery(100), delivery(5)
    waiting = queues([], [first, second])
    cuts = [[(part.delivery, part.start, part.stop) for part in next_batch(waiting, 64)] for _ in range(2)]
    assert cuts == [[(first, 0, 64)], [(first, 64, 100), (second, 0, 5)]]
    assert next_batch(waiting, 64) == []


def test_a_batch_has_one_model_and_the_others_keep_their_order() -> None:
    one, other, another = delivery(2), delivery(2, model="big@1"), delivery(2)
    waiting = queues([], [one, other, another])
    assert [part.delivery for part in next_batch(waiting, 64)] == [one, another]
    assert [part.delivery for part in next_batch(waiting, 64)] == [other]


def test_a_verbose_entry_is_a_batch_of_its_own_in_its_turn() -> None:
    first, verbose, second, chunk = (
        delivery(2, "interactive"),
        delivery(1, "interactive", verbose=True),
        delivery(3, "interactive"),
        delivery(5),
    )
    waiting = queues([first, verbose, second], [chunk])
    batches = [[part.delivery for part in next_batch(waiting, 64)] for _ in range(3)]
    assert batches == [[first, second, chunk], [verbose], []]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(
        st.tuples(st.sampled_from(LANES), st.integers(1, 40), st.sampled_from(["a@1", "b@1"])), max_size=12
    ),
    most=st.integers(1, 70),
)
def test_every_image_is_taken_once_in_order_and_no_batch_is_too_large(
    counts: list[tuple[Lane, int, str]], most: int
) -> None:
    deliveries = [delivery(count, lane, model) for lane, count, model in counts]
    waiting = queues(
        [each for each in deliveries if each.lane == "interactive"],
        [each for each in deliveries if each.lane == "bulk"],
    )
    taken: dict[int, list[int]] = {id(each): [] for each in deliveries}
    while batch := next_batch(waiting, most):
        assert 0 < sum(part.count for part in batch) <= most
        assert len({part.delivery.entry.model for part in batch}) == 1
        for part in batch:
            taken[id(part.delivery)] += range(part.start, part.stop)
    assert all(taken[id(each)] == list(range(each.entry.count)) for each in deliveries)


def test_take_blocks_until_something_comes() -> None:
    backlog = Backlog({"interactive": 10, "bulk": 10})
    taken: list[int] = []
    taker = threading.Thread(target=lambda: taken.append(len(backlog.take(64))))
    taker.start()
    backlog.put([delivery(1)])
    taker.join(10)
    assert taken == [1]


def test_a_closed_backlog_gives_out_what_it_has_and_then_nothing() -> None:
    backlog = Backlog({"interactive": 10, "bulk": 10})
    backlog.put([delivery(100)])
    backlog.close()
    assert not backlog.wait_for_room("bulk")
    assert [sum(part.count for part in backlog.take(64)) for _ in range(3)] == [64, 36, 0]


def test_room_is_counted_by_lane_and_comes_back_as_images_are_taken() -> None:
    backlog = Backlog({"interactive": 10, "bulk": 10})
    backlog.put([delivery(70)])
    assert backlog.wait_for_room("interactive")
    found_room = threading.Event()

    def wait() -> None:
        backlog.wait_for_room("bulk")
        found_room.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    backlog.take(60)
    assert not found_room.is_set(), "10 images still wait"
    backlog.take(1)
    assert found_room.wait(10)
    waiter.join(10)
