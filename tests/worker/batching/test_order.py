"""Batches form in order: one lane and one version each, one version per round, nothing twice."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from shared.contract.lane import LANES, Lane
from tests.support.thoroughness import examples
from tests.worker.support.deliveries_of import delivery
from worker.batching.order import Queues
from worker.delivery import Delivery

Cuts = list[tuple[Delivery, int, int]]


def queues(*deliveries: Delivery) -> Queues:
    made = Queues()
    for each in deliveries:
        made.add(each)
    return made


def take(waiting: Queues, max_images: int = 64, lane: Lane = "bulk") -> Cuts:
    """Return the batch of the version that is next in the lane."""
    batch = waiting.next_batch(waiting.in_order(lane)[0], lane, max_images)
    return [(part.delivery, part.start, part.stop) for part in batch]


def test_a_batch_has_images_of_one_lane() -> None:
    single, chunk = delivery(3, "interactive"), delivery(100)
    waiting = queues(chunk, single)
    assert take(waiting, lane="interactive") == [(single, 0, 3)]
    assert take(waiting) == [(chunk, 0, 64)]


def test_a_large_entry_is_run_in_slices_and_keeps_its_place() -> None:
    first, second = delivery(100), delivery(5)
    waiting = queues(first, second)
    assert take(waiting) == [(first, 0, 64)]
    assert take(waiting) == [(first, 64, 100), (second, 0, 5)]
    assert not waiting


def test_images_of_another_shape_wait_for_a_batch_of_their_own() -> None:
    """The version refuses them, and must not refuse others with them."""
    first, other, third = delivery(2), delivery(2), delivery(2)
    other.entry = structs.replace(other.entry, shape=(14, 56, 1))
    waiting = queues(first, other, third)
    assert take(waiting) == [(first, 0, 2), (third, 0, 2)]
    assert take(waiting) == [(other, 0, 2)]


def test_a_verbose_entry_is_a_batch_of_its_own_in_its_turn() -> None:
    first, verbose, second = delivery(2), delivery(1, verbose=True), delivery(3)
    waiting = queues(first, verbose, second)
    assert [cut[0] for cut in take(waiting)] == [first, second]
    assert take(waiting) == [(verbose, 0, 1)]
    assert not waiting


def test_a_batch_has_one_version_and_the_others_keep_their_order() -> None:
    one, other, another = delivery(2), delivery(2, model="big@1"), delivery(2)
    waiting = queues(one, other, another)
    assert take(waiting) == [(one, 0, 2), (another, 0, 2)]
    assert take(waiting) == [(other, 0, 2)]


def test_versions_take_turns_however_much_of_one_waits() -> None:
    waiting = queues(*(delivery(4, model="slow@1") for _ in range(3)))
    assert take(waiting, 4)[0][0].entry.model == "slow@1"
    late = delivery(1, model="quick@1")
    waiting.add(late)
    assert take(waiting, 4) == [(late, 0, 1)], "not after the backlog that was there before"
    waiting.add(delivery(1, model="quick@1"))
    assert take(waiting, 4)[0][0].entry.model == "slow@1", "and no more than every other turn"


def test_a_suspect_is_a_batch_of_its_own() -> None:
    before, suspect, after = delivery(2), delivery(3), delivery(2)
    suspect.attempt = 2
    waiting = queues(before, suspect, after)
    assert take(waiting) == [(before, 0, 2), (after, 0, 2)]
    assert take(waiting, 1) == [(suspect, 0, 3)], "whole, however large"
    assert not waiting


def test_the_images_that_wait_are_counted_by_lane_and_version() -> None:
    waiting = queues(delivery(10), delivery(5, model="big@1"), delivery(3, "interactive"))
    assert waiting.images("bulk") == {"cnn@1": 10, "big@1": 5}
    waiting.next_batch("cnn@1", "bulk", 4)
    waiting.next_batch("cnn@1", "interactive", 4)
    assert (waiting.images("interactive"), waiting.images("bulk")) == ({}, {"cnn@1": 6, "big@1": 5})


@settings(max_examples=examples(60), deadline=None)
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
    waiting = queues(*deliveries)
    taken: dict[int, list[int]] = {id(each): [] for each in deliveries}
    while waiting:
        batch = take(waiting, most, "interactive" if waiting.has("interactive") else "bulk")
        assert 0 < sum(stop - start for _, start, stop in batch) <= most
        assert len({each.entry.model for each, _, _ in batch}) == 1
        for each, start, stop in batch:
            taken[id(each)] += range(start, stop)
    assert all(taken[id(each)] == list(range(each.entry.count)) for each in deliveries)
    assert all(waiting.images(lane) == {} for lane in LANES)
