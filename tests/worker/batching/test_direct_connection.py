from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from redis.exceptions import ResponseError

from shared.config.settings import load_settings
from shared.redis.connection import worker_client
from shared.redis.resp import pack
from shared.redis.script import Script
from tests.support.bad_redis import BadRedis, later
from worker.batching.direct_connection import DirectConnection

ADD = Script(
    "add",
    """
local counter = unpack(KEYS)
local amount = unpack(ARGV, 1, 1)
for index = 2, #ARGV do
  amount = amount + ARGV[index]
end
return redis.call('INCRBY', counter, amount)
""",
)
NAME = ("CLIENT", "ID")


@pytest.fixture
def connection(bad_redis: BadRedis) -> Iterator[DirectConnection]:
    made = DirectConnection(worker_client(load_settings({"REDIS_URL": bad_redis.url}), patient=True), ADD)
    yield made
    made.close()


def test_replies_have_the_order_of_their_commands(bad_redis: BadRedis, connection: DirectConnection) -> None:
    bad_redis.admin.delete("counter")
    add = ADD.prepare("amount", counter="counter")
    for command in (add(2), ("LPUSH", "counter", "x"), add(3, 4), ("GET", "counter")):
        connection.add(pack(command))
    two, refused, nine, text = (connection.receive() for _ in range(4))
    assert (two, nine, text) == (2, 9, b"9")
    assert isinstance(refused, ResponseError), "an error is one command's, and the rest has replies"
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        connection.call(("LPUSH", "counter", "x"))
    assert connection.call(("PING",)) == b"PONG"


def test_a_prepared_call_needs_every_name(connection: DirectConnection) -> None:
    with pytest.raises(TypeError, match=r"expected \['amount', 'counter'\]"):
        ADD.prepare("amount")
    with pytest.raises(TypeError, match="other"):
        ADD.prepare("amount", "other", counter="counter")


def test_a_reply_of_many_reads_is_whole(connection: DirectConnection) -> None:
    large = bytes(range(256)) * 8192
    assert connection.call(("SET", "large", large)) == b"OK"
    assert connection.call(("GET", "large")) == large


def test_unanswered_commands_are_sent_again_after_the_connection_is_lost(
    bad_redis: BadRedis, connection: DirectConnection
) -> None:
    bad_redis.admin.delete("counter", "empty")
    number = connection.call(NAME)
    connection.add(pack(("BLPOP", "empty", 5)))
    connection.add(pack(ADD.prepare("amount", counter="counter")(1)))

    def cut_and_feed() -> None:
        bad_redis.admin.client_kill_filter(_id=number)
        bad_redis.admin.rpush("empty", "fed")

    ending = later(0.1, cut_and_feed)
    assert connection.receive() == [b"empty", b"fed"]
    assert connection.receive() == 1
    assert connection.call(NAME) != number
    ending.join()


def test_flushed_scripts_are_loaded_again(bad_redis: BadRedis, connection: DirectConnection) -> None:
    bad_redis.admin.delete("counter")
    add = ADD.prepare("amount", counter="counter")
    assert connection.call(add(1)) == 1
    bad_redis.admin.script_flush()
    connection.add(pack(add(1)))
    connection.add(pack(("GET", "counter")))
    assert [connection.receive(), connection.receive()] == [2, b"2"]


@pytest.mark.parametrize("code", ["READONLY", "MISCONF", "NOREPLICAS", "OOM", "BUSY", "NOAUTH", "NOPERM"])
def test_it_waits_for_the_end_of_each_condition(bad_redis: BadRedis, connection: DirectConnection, code: str) -> None:
    connection.call(("PING",))
    with ExitStack() as condition:
        condition.enter_context(bad_redis.conditions()[code]())
        ending = later(0.1, condition.pop_all().close)
        assert connection.call(("SET", "key", 1, "PX", 1000)) == b"OK"
        ending.join()


def test_a_restart_is_outlived(bad_redis: BadRedis, connection: DirectConnection) -> None:
    add = ADD.prepare("amount", counter="new")
    bad_redis.admin.delete("new")
    assert connection.call(add(1)) == 1
    bad_redis.stop()
    starting = later(0.1, bad_redis.start)
    assert connection.call(add(1)) in (1, 2), "the last second may be lost"
    starting.join()


def test_a_connection_that_answers_too_late_is_replaced(bad_redis: BadRedis) -> None:
    client = worker_client(load_settings({"REDIS_URL": bad_redis.url}), patient=True)
    client.connection_pool.connection_kwargs["socket_timeout"] = 0.1
    connection = DirectConnection(client, ADD)
    before = connection.call(NAME)
    bad_redis.admin.client_pause(300)
    assert connection.call(NAME) != before
    connection.close()
