"""The Redis connection for single images, with pipelined commands and published messages.

redis-py opens the connection (password, TLS, Sentinel, RESP3). Then its transport gets another protocol, because a
command through redis-py's client costs the event loop four times as much, and so does a message.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import msgspec
from redis import exceptions

from shared.redis.clients import AsyncClient
from shared.redis.connection import SOCKET_TIMEOUT_S
from shared.redis.errors import ends_connection
from shared.redis.resp import new_reader, pack

Command = Sequence[Any]  # bytes are a command that is packed already
OnMessage = Callable[[bytes, bytes], None]  # channel, data
OnReplies = Callable[[list[Any] | Exception], None]


class _Calls(msgspec.Struct, eq=False):  # costs less than a dataclass
    """Commands that were sent together. `done` is called with the list of their replies, or with an error."""

    commands: int
    done: OnReplies
    due_s: float
    replies: list[Any] = msgspec.field(default_factory=list)


def ignore_message(channel: bytes, data: bytes) -> None:
    """Do nothing. This is the handler of a connection without subscriptions."""


class Wire(asyncio.Protocol):
    """A connection, created by `open_wire`, until it is lost. Replies arrive in the order of their commands."""

    def __init__(self, connection: Any, on_message: OnMessage) -> None:
        self._connection = connection  # the connection of redis-py, whose finalizer would close the transport
        self._transport: asyncio.Transport = connection._writer.transport
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._reader = new_reader()
        self._waiting: deque[_Calls] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[Exception] = self._loop.create_future()
        self._transport.set_protocol(self)
        if self._transport.is_closing():  # nobody would call `connection_lost`
            self.connection_lost(None)

    def send(self, commands: Sequence[Command], done: OnReplies) -> None:
        """Send commands and call `done` once with the reply to each. The reply to a failed command is a RedisError.

        If the connection is lost between two replies, that error is the reply to the rest of the commands. It is then
        unknown which of them were executed. If it is lost before the first reply, `done` is called with the error.
        """
        if self.lost.done():
            done(self.lost.result())
            return
        calls = _Calls(len(commands), done, self._loop.time() + SOCKET_TIMEOUT_S)
        self._waiting.append(calls)
        if self._timer is None:
            self._timer = self._loop.call_at(calls.due_s, self._check_timeout)
        packed = [command if type(command) is bytes else pack(tuple(command)) for command in commands]
        self._transport.write(packed[0] if len(packed) == 1 else b"".join(packed))

    async def call(self, *commands: Command) -> list[Any]:
        """Do what `send` does, and return the replies or raise the error."""
        replies: asyncio.Future[list[Any]] = self._loop.create_future()
        self.send(commands, lambda found: resolve(replies, found))
        return await replies

    async def ask(self, *command: Any) -> Any:
        """Return the reply to one command. Raises RedisError, also for a failed command."""
        return reply_or_raise(await self.call(command))

    async def subscribe(self, *channels: str) -> None:
        """Subscribe to channels. Returns once Redis has confirmed it, so that later messages are not missed."""
        self._transport.write(pack(("SUBSCRIBE", *channels)))  # confirmed by pushes, not by a reply
        await self.ask("PING")

    def close(self) -> None:
        self._lose(exceptions.ConnectionError("this connection is closed"))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    if reply[0] == b"message":
                        self._on_message(reply[1], reply[2])
                else:
                    self._handle_reply(reply)
        except hiredis.ProtocolError as error:
            self._lose(exceptions.ConnectionError(f"invalid data from Redis: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(exceptions.ConnectionError(f"the connection to Redis is lost: {exc or 'closed by Redis'}"))

    def _handle_reply(self, reply: Any) -> None:
        if not self._waiting:
            self._lose(exceptions.ConnectionError(f"unexpected reply from Redis: {reply!r}"))
            return
        calls = self._waiting[0]
        calls.replies.append(reply)
        if len(calls.replies) == calls.commands:
            self._waiting.popleft()
            calls.done(calls.replies)
        if isinstance(reply, exceptions.RedisError) and ends_connection(reply):
            self._lose(reply)  # a former master, for example, might keep the connection

    def _check_timeout(self) -> None:
        """Close the connection if its oldest command timed out. Replies arrive in order, so one timer is enough."""
        self._timer = None
        if not self._waiting:
            return
        due_s = self._waiting[0].due_s
        if self._loop.time() < due_s:
            self._timer = self._loop.call_at(due_s, self._check_timeout)
        else:
            self._lose(exceptions.TimeoutError(f"Redis did not reply within {SOCKET_TIMEOUT_S:g} s"))

    def _lose(self, error: Exception) -> None:
        if self.lost.done():
            return
        self.lost.set_result(error)
        self._transport.abort()
        self._connection._close()
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        for calls in waiting:
            calls.done(calls.replies + [error] * (calls.commands - len(calls.replies)) if calls.replies else error)


async def open_wire(client: AsyncClient, on_message: OnMessage = ignore_message) -> Wire:
    """Open a connection with the settings of `client`. Raises RedisError if it fails."""
    connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    await connection.connect()
    return Wire(connection, on_message)


class Wires:
    """A shared connection, opened when it is first needed and again after it was lost."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._wire: Wire | None = None
        self._opening = asyncio.Lock()
        self._openings: set[asyncio.Task[None]] = set()
        self._context = contextvars.Context()  # without a request id, because a connection serves many requests

    def send(self, commands: Sequence[Command], done: OnReplies) -> None:
        """Call `Wire.send`, and open a connection before if needed."""
        wire = self._wire
        if wire is not None and not wire.lost.done():
            wire.send(commands, done)
            return
        opening = asyncio.get_running_loop().create_task(self._open_and_send(commands, done), context=self._context)
        self._openings.add(opening)  # the event loop itself keeps only a weak reference
        opening.add_done_callback(self._openings.discard)

    async def call(self, *commands: Command) -> list[Any]:
        """Call `Wire.call`, and open a connection before if needed. Raises RedisError."""
        wire = self._wire
        if wire is None or wire.lost.done():
            wire = await self._open()
        return await wire.call(*commands)

    async def ask(self, *command: Any) -> Any:
        """Do the same for `Wire.ask`."""
        return reply_or_raise(await self.call(command))

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()

    async def _open_and_send(self, commands: Sequence[Command], done: OnReplies) -> None:
        try:
            wire = await self._open()
        except Exception as error:
            done(error)
        else:
            wire.send(commands, done)

    async def _open(self) -> Wire:
        async with self._opening:
            if self._wire is None or self._wire.lost.done():
                self._wire = await open_wire(self._client)
            return self._wire


def resolve(future: asyncio.Future[list[Any]], replies: list[Any] | Exception) -> None:
    """End the wait for `replies`, unless the waiting task has been cancelled."""
    if future.done():
        return
    if isinstance(replies, Exception):
        future.set_exception(replies)
    else:
        future.set_result(replies)


def reply_or_raise(replies: list[Any]) -> Any:
    """Return the only reply. Raises it if it is a RedisError."""
    (reply,) = replies
    if isinstance(reply, exceptions.RedisError):
        raise reply
    return reply
