"""Accepting connections."""

import asyncio
import socket

import pytest
import uvloop

from api.http.connections.listening import ACCEPTS_PER_ITERATION, bind_listeners

TOGETHER = 64


class Arrival(asyncio.Protocol):
    def __init__(self, arrived: list[int], iteration: list[int]) -> None:
        self._arrived = arrived
        self._iteration = iteration

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._arrived.append(self._iteration[0])
        transport.abort()  # type: ignore[attr-defined]


async def iterations_to_accept_all(listeners: list[socket.socket]) -> int:
    """Return the iterations of the event loop between the first and the last of TOGETHER accepted connections."""
    loop = asyncio.get_running_loop()
    arrived: list[int] = []
    iteration = [0]
    servers = [
        await loop.create_server(lambda: Arrival(arrived, iteration), sock=each, backlog=TOGETHER) for each in listeners
    ]
    clients = [socket.create_connection(listeners[0].getsockname()) for _ in range(TOGETHER)]
    while len(arrived) < TOGETHER:
        iteration[0] += 1
        await asyncio.sleep(0)
    for client in clients:
        client.close()
    for server in servers:
        server.close()
    return arrived[-1] - arrived[0] + 1


def test_simultaneous_connections_are_accepted_within_few_iterations() -> None:
    listeners = bind_listeners("127.0.0.1", 0, TOGETHER)
    assert uvloop.run(iterations_to_accept_all(listeners)) <= TOGETHER / 4


def test_all_descriptors_belong_to_one_socket_that_nobody_else_can_bind() -> None:
    listeners = bind_listeners("127.0.0.1", 0, TOGETHER)
    assert len({listener.getsockname() for listener in listeners}) == 1
    assert len(listeners) == ACCEPTS_PER_ITERATION
    with pytest.raises(OSError, match="in use"):
        bind_listeners("127.0.0.1", listeners[0].getsockname()[1], TOGETHER)
    for listener in listeners:
        listener.close()
