from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive

from api.http.bodies import SMALL_BYTES, Bodies, read_body
from shared.errors import BadUpload, QueueFull, TooLarge


def receiving(pieces: Iterable[bytes], complete: bool = True) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b""} if complete else {"type": "http.disconnect"})
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return receive


async def test_a_body_is_joined() -> None:
    assert await read_body(receiving([b"ab", b"", b"c"]), 3) == b"abc"


async def test_a_body_above_its_limit_is_refused_with_an_advice() -> None:
    with pytest.raises(TooLarge, match="this body may have at most 3 bytes: send less"):
        await read_body(receiving([b"ab", b"cd"]), 3, "this body", advice="send less")


async def test_all_bodies_together_are_limited_until_they_are_done() -> None:
    bodies = Bodies(3 * SMALL_BYTES)
    long = [bytes(SMALL_BYTES)] * 2
    with bodies.held() as first:
        await read_body(receiving(long), 1 << 20, held=first)
        with bodies.held() as second:
            with pytest.raises(QueueFull, match="fill the memory") as refused:
                await read_body(receiving(long), 1 << 20, held=second)
            assert (refused.value.reason, second.held_bytes) == ("bodies", 0)
        with bodies.held() as small:  # is not counted
            assert len(await read_body(receiving([bytes(SMALL_BYTES)]), 1 << 20, held=small)) == SMALL_BYTES
    with bodies.held() as third:
        assert len(await read_body(receiving(long), 1 << 20, held=third)) == 2 * SMALL_BYTES


async def test_a_body_that_its_client_cut_short_gives_its_room_back() -> None:
    bodies = Bodies(3 * SMALL_BYTES)
    for _ in range(3):
        with bodies.held() as held, pytest.raises(BadUpload):
            await read_body(receiving([bytes(SMALL_BYTES)] * 2, complete=False), 1 << 20, held=held)


async def test_long_bodies_are_parsed_in_a_thread_and_errors_reach_the_request() -> None:
    bodies = Bodies(1 << 20)
    assert await bodies.parse(len, bytes(100)) == 100
    assert await bodies.parse(len, bytes(100_000)) == 100_000
    with pytest.raises(ValueError, match="invalid literal"):
        await bodies.parse(int, b"x" * 100_000)
    bodies.close()
