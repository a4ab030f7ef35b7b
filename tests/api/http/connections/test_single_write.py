"""All writes of one event loop iteration leave in one system call, in order, and before the connection closes."""

import asyncio
from collections.abc import Callable

import pytest

from api.http.connections.single_write import JoiningTransport


class Transport:
    def __init__(self) -> None:
        self.did: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.did.append(data)

    def close(self) -> None:
        self.did.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.did


def head_and_body(transport: JoiningTransport) -> None:
    transport.write(b"head ")
    transport.write(b"body")


def last_words(transport: JoiningTransport) -> None:
    transport.write(b"bye")
    transport.close()


@pytest.mark.parametrize(
    ("do", "did"), [(head_and_body, [b"head body"]), (last_words, [b"bye", "closed"])], ids=["joined", "closed"]
)
async def test_writes_of_one_iteration_leave_together(
    do: Callable[[JoiningTransport], None], did: list[bytes | str]
) -> None:
    transport = Transport()
    joining = JoiningTransport(transport, asyncio.get_running_loop())
    do(joining)
    await asyncio.sleep(0)
    assert joining.is_closing() == transport.is_closing()
    assert transport.did == did


async def test_nothing_is_written_to_a_lost_connection() -> None:
    """A lost connection gets neither delayed nor later writes."""
    transport = Transport()
    joining = JoiningTransport(transport, asyncio.get_running_loop())
    joining.write(b"head")
    joining.mark_lost()
    joining.write(b"body")
    await asyncio.sleep(0)
    joining.close()
    assert transport.did == ["closed"]


async def test_writes_of_two_turns_leave_as_two() -> None:
    transport = Transport()
    joining = JoiningTransport(transport, asyncio.get_running_loop())
    for data in (b"one", b"two"):
        joining.write(data)
        await asyncio.sleep(0)
    assert transport.did == [b"one", b"two"]
