"""How connections are taken in."""

import asyncio
import socket

import pytest
import uvloop

from api.http.listening import PER_TURN, bind_listeners

TOGETHER = 64


class Arrival(asyncio.Protocol):
    def __init__(self, arrived: list[int], turn: list[int]) -> None:
        self._arrived = arrived
        self._turn = turn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._arrived.append(self._turn[0])
        transport.abort()  # type: ignore[attr-defined]


async def turns_until_all_are_in(listeners: list[socket.socket]) -> int:
    """Turns of the loop from the first of TOGETHER connections that are there already to the last."""
    loop = asyncio.get_running_loop()
    arrived: list[int] = []
    turn = [0]
    servers = [
        await loop.create_server(lambda: Arrival(arrived, turn), sock=each, backlog=TOGETHER) for each in listeners
    ]
    clients = [socket.create_connection(listeners[0].getsockname()) for _ in range(TOGETHER)]
    while len(arrived) < TOGETHER:
        turn[0] += 1
        await asyncio.sleep(0)
    for client in clients:
        client.close()
    for server in servers:
        server.close()
    return arrived[-1] - arrived[0] + 1


def test_connections_that_come_together_are_taken_in_within_few_turns_of_the_loop() -> None:
    listeners = bind_listeners("127.0.0.1", 0, TOGETHER)
    assert uvloop.run(turns_until_all_are_in(listeners)) <= TOGETHER / 4


def test_all_descriptors_are_of_one_socket_that_nobody_else_can_bind() -> None:
    listeners = bind_listeners("127.0.0.1", 0, TOGETHER)
    assert len({listener.getsockname() for listener in listeners}) == 1
    assert len(listeners) == PER_TURN
    with pytest.raises(OSError, match="in use"):
        bind_listeners("127.0.0.1", listeners[0].getsockname()[1], TOGETHER)
    for listener in listeners:
        listener.close()
