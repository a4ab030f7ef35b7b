"""The rehearsal: a script that runs each command that a program needs, so that a missing permission is found at once.

Its commands change nothing but one key, which it deletes at the end. Commands that scripts cannot run, such as
SUBSCRIBE, are tried by `check_redis` when a program starts.
"""

import inspect
from collections.abc import Sequence
from typing import Literal

from redis.exceptions import NoPermissionError

from shared.redis import keys
from shared.redis.errors import parse_error
from shared.redis.script import Call, Script

Program = Literal["api", "worker"]  # `worker` stands for all Celery programs but Flower

# The first command is a write that a full Redis accepts, and so it accepts the writes after it.
REHEARSE = Script(
    "REHEARSE",
    r"""
local key = unpack(KEYS)
local commands = unpack(ARGV)
local failed = {}
redis.call('DEL', key)
for line in string.gmatch(commands, '[^\n]+') do
  local command = {}
  for word in string.gmatch(line, '%S+') do
    command[#command + 1] = word
  end
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    failed[#failed + 1] = line
    failed[#failed + 1] = reply.err
  end
end
redis.call('DEL', key)
return failed
""",
)
_KEY, _GROUP = keys.REHEARSAL, keys.GROUP
_COMMANDS: dict[Program | Literal["both"], str] = {
    "both": f"""
        TIME
        EXISTS {_KEY}
        MGET {_KEY}
        PUBLISH {keys.reply_channel("rehearsal")} nobody-listens
        SET {_KEY} 1 EX 10
        DEL {_KEY}
        HSET {_KEY} field 1
        EXPIRE {_KEY} 10
        HINCRBY {_KEY} field 1
        HGET {_KEY} field
        HMGET {_KEY} field
        HGETALL {_KEY}
        HEXISTS {_KEY} field
        HDEL {_KEY} field
        SADD {_KEY} member
        SMEMBERS {_KEY}
        DEL {_KEY}
        ZADD {_KEY} 0 member
        ZRANGEBYSCORE {_KEY} 0 0
        ZREMRANGEBYSCORE {_KEY} 1 1
        ZREM {_KEY} member
        XADD {_KEY} 1-1 field value
        XLEN {_KEY}
        XRANGE {_KEY} - +
        XDEL {_KEY} 1-1
        DEL {_KEY}""",
    "api": f"""
        GET {_KEY}
        TTL {_KEY}
        HKEYS {_KEY}
        SCARD {_KEY}
        ZCARD {_KEY}
        ZSCORE {_KEY} member
        ZREVRANGE {_KEY} 0 0
        ZREMRANGEBYRANK {_KEY} 0 0
        XREVRANGE {_KEY} + -""",
    "worker": f"""
        HSETNX {_KEY} field 1
        DEL {_KEY}
        RPUSH {_KEY} value
        LPOP {_KEY}
        SREM {_KEY} member
        ZRANGE {_KEY} 0 0
        XADD {_KEY} 1-1 field value
        XGROUP CREATE {_KEY} {_GROUP} 0
        XREADGROUP GROUP {_GROUP} consumer STREAMS {_KEY} >
        XPENDING {_KEY} {_GROUP}
        XCLAIM {_KEY} {_GROUP} consumer 0 1-1
        XAUTOCLAIM {_KEY} {_GROUP} consumer 0 0-0
        XINFO CONSUMERS {_KEY} {_GROUP}
        XACK {_KEY} {_GROUP} 1-1
        XGROUP DELCONSUMER {_KEY} {_GROUP} consumer""",
}


def rehearsal(program: Program) -> Call:
    """Return the arguments of EVAL, whose reply `find_refusal` reads. Full memory does not fail it."""
    return REHEARSE(key=_KEY, commands=inspect.cleandoc(_COMMANDS["both"] + _COMMANDS[program]))


def find_refusal(failed: Sequence[bytes]) -> NoPermissionError | None:
    """Return an error that names the first command that Redis refused, or None."""
    for command, text in zip(failed[::2], failed[1::2], strict=True):
        if isinstance(parse_error(text.decode()), NoPermissionError):
            name = command.decode().partition(" ")[0]
            return NoPermissionError(f"its user needs {name}: {text.decode()}", status_code="NOPERM")
    return None
