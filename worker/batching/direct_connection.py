"""A worker's connection for the commands of each batch, without redis-py's command path.

redis-py opens the connection (password, TLS, Sentinel) and decides which errors are temporary. redis-py's own command
path costs a worker more CPU time than a small batch: arguments, retry wrappers, locks, one command at a time.
"""

import socket
import ssl
import struct
from collections import deque
from typing import Any, Final

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.redis.clients import SyncClient
from shared.redis.connection import SOCKET_TIMEOUT_S
from shared.redis.errors import passes
from shared.redis.resp import new_reader, pack
from shared.redis.script import Command, Script

READ_BYTES = 1 << 18
INCOMPLETE: Final = object()  # hiredis's answer before a whole reply has arrived


class DirectConnection:
    """Pipelined commands over one connection, for one thread.

    Replies are received in the order of the commands. After a lost connection, and after a temporary error,
    unanswered commands are sent again on a new connection, so each command must be harmless if it is executed twice.
    `scripts` are loaded whenever a connection is opened. The connection has the settings of `client`: if the client is
    patient, `receive` blocks until Redis is back.
    """

    def __init__(self, client: SyncClient, *scripts: Script) -> None:
        self._connection: Any = client.connection_pool.make_connection()
        self._loads = [pack(("SCRIPT", "LOAD", script.source)) for script in scripts]
        self._sock: Any = None
        self._reader = new_reader()
        self._buffer = bytearray(READ_BYTES)
        self._unsent: list[bytes] = []
        self._unanswered: deque[bytes] = deque()

    def add(self, packed: bytes) -> None:
        """Add a packed command. The next `receive` sends all added commands in one write."""
        self._unsent.append(packed)
        self._unanswered.append(packed)

    def receive(self) -> Any:
        """Return the reply to the oldest unanswered command: a RedisError if this command failed.

        Raises RedisError if Redis is unreachable or refuses the connection for longer than the client retries.
        """
        try:
            reply = self._try_to_receive()
        except RedisError as error:
            if not passes(error):
                raise
            self.close()
            reply = self._connection.retry.call_with_retry(self._try_to_receive, lambda _: self.close())
        self._unanswered.popleft()
        return reply

    def call(self, command: Command) -> Any:
        """Return the reply to one command. No other may be unanswered. Raises RedisError, also for a failed command."""
        self.add(pack(command))
        reply = self.receive()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def close(self) -> None:
        self._connection.disconnect()
        self._sock = None

    def _try_to_receive(self) -> Any:
        try:
            if self._sock is None:
                self._open()
            if self._unsent:
                unsent, self._unsent = self._unsent, []
                self._sock.sendall(unsent[0] if len(unsent) == 1 else b"".join(unsent))
            reply = self._next_reply()
        except (TimeoutError, BlockingIOError) as error:
            raise RedisTimeoutError(f"Redis did not reply within {SOCKET_TIMEOUT_S:g} s") from error
        except (OSError, hiredis.ProtocolError) as error:
            raise RedisConnectionError(f"the connection to Redis is lost: {error}") from error
        if isinstance(reply, NoScriptError):  # somebody has flushed the scripts: a new connection loads them again
            raise RedisConnectionError(str(reply))
        if isinstance(reply, RedisError) and passes(reply):
            raise reply
        return reply

    def _open(self) -> None:
        self._connection.connect()
        self._sock = self._connection._sock
        if not isinstance(self._sock, ssl.SSLSocket):
            _let_kernel_time_out(self._sock)
        self._reader = new_reader(notEnoughData=INCOMPLETE)
        for load in self._loads:
            self._sock.sendall(load)
            if isinstance(error := self._next_reply(), RedisError):
                raise error
        self._unsent = list(self._unanswered)

    def _next_reply(self) -> Any:
        while True:
            reply = self._reader.gets()
            if reply is INCOMPLETE:
                received_bytes = self._sock.recv_into(self._buffer)
                if not received_bytes:
                    raise ConnectionResetError("closed by Redis")
                self._reader.feed(self._buffer, 0, received_bytes)  # type: ignore[arg-type]
            elif not isinstance(reply, hiredis.PushNotification):
                return reply


def _let_kernel_time_out(sock: socket.socket) -> None:
    """Keep the timeout of a socket, without the poll() that Python makes before each call for its own timeouts.

    A call that takes too long raises BlockingIOError then.
    """
    timeout_s = sock.gettimeout() or 0.0
    timeval = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, timeval)
    sock.settimeout(None)
