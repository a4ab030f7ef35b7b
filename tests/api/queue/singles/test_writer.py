import asyncio

import pytest

from api.http.access import ANYONE
from api.queue.classify_request import ClassifyRequest
from api.queue.singles.waiting_image import AwaitedImage
from api.queue.singles.writer import group_images
from shared.errors import DeadlinePassed, QueueFull, Unavailable, WaitTimeout
from shared.redis import keys
from shared.shapes import IMAGE_BYTES
from tests.api.queue.singles.world import World


@pytest.mark.parametrize(
    ("models", "groups"),
    [
        ("", []),
        ("a", ["a0"]),
        ("aaa", ["a0 a1 a2"]),
        ("aaaa", ["a0 a1 a2", "a3"]),
        ("aaaaaaa", ["a0 a1 a2", "a3 a4 a5", "a6"]),
        ("abab", ["a0 a2", "b1 b3"]),
        ("baaabaa", ["b0 b4", "a1 a2 a3", "a5 a6"]),
    ],
)
async def test_groups_have_one_model_a_limited_length_and_the_order_of_arrival(models: str, groups: list[str]) -> None:
    waiting = [
        AwaitedImage(bytes([place]), ClassifyRequest(model=model, caller=ANYONE)) for place, model in enumerate(models)
    ]
    grouped = group_images(waiting, 3)
    assert [" ".join(f"{one.asked.model}{one.pixels[0]}" for one in group) for group in grouped] == groups


async def test_a_verbose_image_has_its_own_entry_which_is_verbose() -> None:
    world = World()
    asked = await world.begin()
    asked += [world.ask(1), world.ask(2, maps="none"), world.ask(3), world.ask(4, maps="png")]
    world.end()
    entries = await world.enqueuer.next_write()
    assert [(entry.verbose, entry.pixels[::IMAGE_BYTES]) for entry in entries] == [
        (False, b"\1\3"),
        (True, b"\2"),
        (True, b"\4"),
    ]
    for entry in (*world.enqueuer.writes[0], *entries):
        world.wakeups.answer(entry)
    answers = await asyncio.gather(*asked)
    assert [int(block.predictions[position]) for block, position, _ in answers] == [0, 1, 2, 3, 4]


async def test_an_image_is_written_at_once_and_answered() -> None:
    world = World()
    asked = world.ask(7)
    (entry,) = await world.enqueuer.next_write()
    assert (entry.model, entry.count, entry.reply) == ("cnn@1", 1, "replies:here")
    assert bytes(entry.pixels) == b"\x07" * IMAGE_BYTES
    world.wakeups.answer(entry)  # before the write has ended
    block, position, single_id = await asked
    assert (block.predictions[position], position, single_id) == (7, 0, f"{entry.uid}-0")


async def test_images_that_fill_an_entry_are_written_although_a_write_is_in_progress() -> None:
    world = World(entry_images=4)
    asked = await world.begin()
    asked += [world.ask(digit) for digit in range(1, 10)]
    await world.enqueuer.next_write()
    world.end()
    assert [[entry.count for entry in write] for write in world.enqueuer.writes] == [[1], [4], [4], [1]]
    for write in world.enqueuer.writes:
        for entry in write:
            world.wakeups.answer(entry)
    answers = await asyncio.gather(*asked)
    assert [int(block.predictions[position]) for block, position, _ in answers] == list(range(10))


async def test_images_that_arrive_during_a_write_are_written_together() -> None:
    world = World(entry_images=10)
    asked = await world.begin()
    asked += [world.ask(digit) for digit in range(1, 10)]
    world.end()
    assert [entry.count for entry in await world.enqueuer.next_write()] == [9]
    for write in world.enqueuer.writes:
        for entry in write:
            world.wakeups.answer(entry)
    answers = await asyncio.gather(*asked)
    assert [int(block.predictions[position]) for block, position, _ in answers] == list(range(10))
    assert len({single_id for _, _, single_id in answers}) == 10


async def test_images_of_several_models_are_written_together_in_separate_entries() -> None:
    world = World()
    asked = await world.begin()
    asked += [world.ask(digit, model) for digit, model in enumerate(("cnn@1", "cnn@2", "cnn@1"))]
    world.end()
    entries = await world.enqueuer.next_write()
    assert [(entry.model, entry.count) for entry in entries] == [("cnn@1", 2), ("cnn@2", 1)]
    for entry in (*world.enqueuer.writes[0], *entries):
        world.wakeups.answer(entry)
    assert [block.model for block, _, _ in await asyncio.gather(*asked)] == ["cnn@1", "cnn@1", "cnn@2", "cnn@1"]


async def test_after_a_write_the_next_image_is_written_at_once_again() -> None:
    world = World()
    for digit in (1, 2):
        asked = world.ask(digit)
        (entry,) = await world.enqueuer.next_write()
        world.end()
        world.wakeups.answer(entry)
        block, position, _ = await asked
        assert block.predictions[position] == digit


async def test_a_refusal_fails_only_the_requests_of_its_entry() -> None:
    world = World(entry_images=10)
    (first,) = await world.begin()
    asked = [world.ask(digit, model) for digit, model in enumerate(("cnn@1", "cnn@1", "cnn@2", "cnn@2", "cnn@3"), 1)]
    world.end()
    entries = await world.enqueuer.next_write()
    assert [entry.count for entry in entries] == [2, 2, 1]
    refusal = QueueFull("full", retry_after_s=3)
    world.end(["1-0", refusal, "2-0"])
    for refused in asked[2:4]:
        with pytest.raises(QueueFull, match="full"):
            await refused
    assert entries[1].uid not in world.wakeups.entries
    for entry in (*world.enqueuer.writes[0], entries[0], entries[2]):
        world.wakeups.answer(entry)
    answered = await asyncio.gather(first, *asked[:2], asked[4])
    assert [int(block.predictions[position]) for block, position, _ in answered] == [0, 1, 2, 5]


async def test_a_failed_write_fails_its_requests_and_later_requests_are_written() -> None:
    world = World(entry_images=10)
    (first,) = await world.begin()
    later = [world.ask(1), world.ask(2), world.ask(3, "cnn@2")]
    world.end([Unavailable("Redis is unreachable")])
    with pytest.raises(Unavailable, match="Redis is unreachable"):
        await first
    entries = await world.enqueuer.next_write()
    assert [entry.count for entry in entries] == [2, 1]
    assert world.wakeups.entries.keys() == {entry.uid for entry in entries}
    world.end([Unavailable("still away")] * 2)
    for asked in later:
        with pytest.raises(Unavailable, match="still away"):
            await asked
    assert not world.wakeups.entries


async def test_a_timeout_has_the_id_of_the_result() -> None:
    world = World()
    asked = world.ask(7, wait_s=0.01)
    (entry,) = await world.enqueuer.next_write()
    with pytest.raises(WaitTimeout, match=r"no answer within 0\.01 s; the image is still being processed") as late:
        await asked
    assert late.value.result_id == f"{entry.uid}-0"
    world.wakeups.answer(entry)  # nobody waits any more, and nothing breaks


async def test_a_client_that_does_not_wait_gets_the_id_although_a_write_is_in_progress() -> None:
    world = World()
    (first,) = await world.begin()
    asked = world.ask(7, wait_s=0.0)
    for _ in range(4):  # turns of the event loop, one of which has the sweep
        await asyncio.sleep(0)
    world.end()
    (entry,) = await world.enqueuer.next_write()
    with pytest.raises(WaitTimeout) as late:
        await asked
    assert late.value.result_id == f"{entry.uid}-0"
    for write in world.enqueuer.writes:
        world.wakeups.answer(write[0])
    await first


async def test_a_timeout_does_not_affect_other_requests_of_its_entry() -> None:
    world = World()
    hasty, patient = world.ask(1, wait_s=0.01), world.ask(2)
    assert [entry.count for entry in await world.enqueuer.next_write()] == [2]
    with pytest.raises(WaitTimeout):
        await hasty
    world.end([QueueFull("full", retry_after_s=1)])  # the request that timed out ignores it
    with pytest.raises(QueueFull):
        await patient


async def test_a_timeout_before_the_image_was_written_is_an_unavailable_queue() -> None:
    world = World()
    (first,) = await world.begin()
    with pytest.raises(Unavailable, match=r"the queue accepted nothing within 0\.01 s"):
        await world.ask(1, wait_s=0.01)
    world.wakeups.answer(world.enqueuer.writes[0][0])
    await first


async def test_images_of_several_keys_have_separate_entries_that_name_the_keys() -> None:
    world = World()
    asked = await world.begin()
    asked += [world.ask(digit, key=key) for digit, key in enumerate(("alice", "bob", "alice"))]
    world.end()
    entries = await world.enqueuer.next_write()
    assert [(entry.client, entry.count) for entry in entries] == [("alice", 2), ("bob", 1)]
    for entry in (*world.enqueuer.writes[0], *entries):
        world.wakeups.answer(entry)
    await asyncio.gather(*asked)


async def test_a_deadline_is_written_with_its_image_and_ends_the_wait() -> None:
    world = World()
    patient, hasty = world.ask(1), world.ask(2, timeout_s=0.01)
    (entry,) = await world.enqueuer.next_write()
    before_ms, after_ms = entry.deadlines_ms
    assert before_ms == 0
    assert 0 < after_ms - entry.accepted_us / 1e3 <= 10
    with pytest.raises(DeadlinePassed, match=r"no answer within 0\.01 s; the image is dropped"):
        await hasty
    world.wakeups.answer(entry)
    await patient


async def test_the_image_of_a_disconnected_client_is_dropped() -> None:
    world = World()
    asked = world.ask(1)
    (entry,) = await world.enqueuer.next_write()
    world.gone.set()
    with pytest.raises(Unavailable, match="the client disconnected"):
        await asked
    assert world.wires.dropped == [(keys.dropped(entry.uid), "0")]


async def test_the_image_of_a_client_that_disconnects_early_is_not_written() -> None:
    world = World()
    (first,) = await world.begin()
    gone = world.ask(1)
    world.gone.set()
    with pytest.raises(Unavailable):
        await gone
    with pytest.raises(Unavailable):
        await first
    assert [key for key, _ in world.wires.dropped] == [keys.dropped(world.enqueuer.writes[0][0].uid)]
    world.end()
    later = world.ask(2)
    assert [entry.count for entry in await world.enqueuer.next_write()] == [1]
    later.cancel()
