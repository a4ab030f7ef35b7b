import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import pytest

from api.enqueue import Enqueuer
from api.replies import Answer, Replies
from api.singles import Singles, Waiting, group_by_model
from shared.block import Block
from shared.entry import Entry
from shared.errors import QueueFull, Unavailable, WaitTimeout
from shared.images import IMAGE_BYTES
from shared.keys import Lane

Asked: TypeAlias = "asyncio.Task[tuple[Block, int, str]]"


class FakeReplies:
    channel = "replies:here"

    def __init__(self) -> None:
        self.expected: dict[str, Sequence[Answer]] = {}

    def expect(self, uid: str, answers: Sequence[Answer]) -> None:
        self.expected[uid] = answers

    def forget(self, uid: str) -> None:
        del self.expected[uid]

    def answer(self, entry: Entry) -> None:
        """What a worker does: every image's answer is its own first pixel."""
        digits = np.frombuffer(entry.pixels, np.uint8)[::IMAGE_BYTES]
        block = Block(digits, np.zeros((len(digits), 10), np.float32), entry.model, "w", 1, len(digits), 0, 0)
        for position, answer in enumerate(self.expected.pop(entry.uid)):
            if not answer.done():
                answer.set_result((block, position))


class FakeEnqueuer:
    """Holds every write until it is told how it ended; `writes` has what was written, `begun` says when."""

    def __init__(self, replies: FakeReplies) -> None:
        self.replies = replies
        self.writes: list[list[Entry]] = []
        self.begun = asyncio.Event()
        self.ends: asyncio.Queue[list[QueueFull | None] | Exception | None] = asyncio.Queue()

    async def put(self, entries: Sequence[Entry], lane: Lane) -> list[QueueFull | None]:
        assert lane == "interactive"
        for entry in entries:
            assert entry.uid in self.replies.expected, "an answer may come before the write's reply"
        self.writes.append(list(entries))
        self.begun.set()
        end = await self.ends.get()
        if isinstance(end, Exception):
            raise end
        return end or [None] * len(entries)

    async def next_write(self) -> list[Entry]:
        await self.begun.wait()
        self.begun.clear()
        return self.writes[-1]


class World:
    def __init__(self, entry_images: int = 4) -> None:
        self.replies = FakeReplies()
        self.enqueuer = FakeEnqueuer(self.replies)
        self.singles = Singles(cast(Enqueuer, self.enqueuer), cast(Replies, self.replies), entry_images)

    def ask(self, digit: int, model: str = "cnn@1", wait_s: float = 30.0) -> Asked:
        return asyncio.create_task(self.singles.classify(bytes([digit]) * IMAGE_BYTES, model, wait_s))

    async def begin(self) -> list[Asked]:
        """A first image whose write is in flight."""
        first = self.ask(0)
        await self.enqueuer.next_write()
        return [first]

    def end(self, end: list[QueueFull | None] | Exception | None = None) -> None:
        self.enqueuer.ends.put_nowait(end)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


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
def test_groups_are_of_one_model_each_no_longer_than_an_entry_and_in_order(models: str, groups: list[str]) -> None:
    waiting = [Waiting(bytes([number]), model, cast(Answer, None)) for number, model in enumerate(models)]
    grouped = group_by_model(waiting, 3)
    assert [" ".join(f"{one.model}{one.pixels[0]}" for one in group) for group in grouped] == groups


def test_a_lone_image_leaves_at_once_and_is_answered() -> None:
    async def scenario() -> None:
        world = World()
        asked = world.ask(7)
        (entry,) = await world.enqueuer.next_write()
        assert (entry.model, entry.count, entry.reply) == ("cnn@1", 1, "replies:here")
        assert bytes(entry.pixels) == b"\x07" * IMAGE_BYTES
        world.replies.answer(entry)  # before the write has ended
        block, position, single_id = await asked
        assert (block.predictions[position], position, single_id) == (7, 0, f"{entry.uid}-0")

    run(scenario())


def test_those_that_arrive_while_a_write_is_in_flight_leave_together() -> None:
    async def scenario() -> None:
        world = World(entry_images=4)
        asked = await world.begin()
        asked += [world.ask(digit) for digit in range(1, 10)]
        world.end()
        assert [entry.count for entry in await world.enqueuer.next_write()] == [4, 4, 1]
        for write in world.enqueuer.writes:
            for entry in write:
                world.replies.answer(entry)
        answers = await asyncio.gather(*asked)
        assert [int(block.predictions[position]) for block, position, _ in answers] == list(range(10))
        assert len({single_id for _, _, single_id in answers}) == 10

    run(scenario())


def test_images_of_several_models_leave_in_one_write_but_in_entries_of_their_own() -> None:
    async def scenario() -> None:
        world = World()
        asked = await world.begin()
        asked += [world.ask(digit, model) for digit, model in enumerate(("cnn@1", "cnn@2", "cnn@1"))]
        world.end()
        entries = await world.enqueuer.next_write()
        assert [(entry.model, entry.count) for entry in entries] == [("cnn@1", 2), ("cnn@2", 1)]
        for entry in (*world.enqueuer.writes[0], *entries):
            world.replies.answer(entry)
        assert [block.model for block, _, _ in await asyncio.gather(*asked)] == ["cnn@1", "cnn@1", "cnn@2", "cnn@1"]

    run(scenario())


def test_after_a_write_has_ended_the_next_image_leaves_at_once_again() -> None:
    async def scenario() -> None:
        world = World()
        for digit in (1, 2):
            asked = world.ask(digit)
            (entry,) = await world.enqueuer.next_write()
            world.end()
            world.replies.answer(entry)
            block, position, _ = await asked
            assert block.predictions[position] == digit

    run(scenario())


def test_a_refusal_reaches_those_of_its_entry_and_nobody_else() -> None:
    async def scenario() -> None:
        world = World(entry_images=2)
        (first,) = await world.begin()
        asked = [world.ask(digit) for digit in range(1, 6)]
        world.end()
        entries = await world.enqueuer.next_write()
        assert [entry.count for entry in entries] == [2, 2, 1]
        refusal = QueueFull("full", retry_after_s=3)
        world.end([None, refusal, None])
        for refused in asked[2:4]:
            with pytest.raises(QueueFull, match="full"):
                await refused
        assert entries[1].uid not in world.replies.expected
        for entry in (*world.enqueuer.writes[0], entries[0], entries[2]):
            world.replies.answer(entry)
        answered = await asyncio.gather(first, *asked[:2], asked[4])
        assert [int(block.predictions[position]) for block, position, _ in answered] == [0, 1, 2, 5]

    run(scenario())


def test_when_redis_is_away_everyone_of_that_write_hears_of_it_and_later_ones_go_on() -> None:
    async def scenario() -> None:
        world = World(entry_images=2)
        (first,) = await world.begin()
        later = [world.ask(digit) for digit in (1, 2, 3)]
        world.end(Unavailable("the queue is away"))
        with pytest.raises(Unavailable, match="the queue is away"):
            await first
        entries = await world.enqueuer.next_write()
        assert [entry.count for entry in entries] == [2, 1]
        assert world.replies.expected.keys() == {entry.uid for entry in entries}
        world.end(Unavailable("still away"))
        for asked in later:
            with pytest.raises(Unavailable, match="still away"):
                await asked
        assert not world.replies.expected

    run(scenario())


def test_a_wait_that_runs_out_names_the_id_under_which_the_answer_will_be() -> None:
    async def scenario() -> None:
        world = World()
        asked = world.ask(7, wait_s=0.01)
        (entry,) = await world.enqueuer.next_write()
        with pytest.raises(WaitTimeout, match=r"no answer within 0\.01 s; the work goes on") as late:
            await asked
        assert late.value.result_id == f"{entry.uid}-0"
        world.replies.answer(entry)  # nobody waits any more, and nothing breaks

    run(scenario())


def test_a_wait_that_runs_out_spoils_nothing_for_the_others_of_its_entry() -> None:
    async def scenario() -> None:
        world = World()
        hasty, patient = world.ask(1, wait_s=0.01), world.ask(2)
        assert [entry.count for entry in await world.enqueuer.next_write()] == [2]
        with pytest.raises(WaitTimeout):
            await hasty
        world.end([QueueFull("full", retry_after_s=1)])  # of no use to the one that has left
        with pytest.raises(QueueFull):
            await patient

    run(scenario())


def test_a_wait_that_runs_out_before_the_image_was_written_is_an_unavailable_queue() -> None:
    async def scenario() -> None:
        world = World()
        (first,) = await world.begin()
        with pytest.raises(Unavailable, match=r"the queue took nothing within 0\.01 s"):
            await world.ask(1, wait_s=0.01)
        world.replies.answer(world.enqueuer.writes[0][0])
        await first

    run(scenario())
