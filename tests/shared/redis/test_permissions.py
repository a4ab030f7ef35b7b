"""The rehearsal has each command of the code, names what Redis refuses, and leaves nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config.settings import Settings
from shared.redis.clients import SyncClient
from shared.redis.connection import worker_client
from shared.redis.permissions import Program, find_refusal, rehearsal
from tests.support.bad_redis import BadRedis

ROOT = Path(__file__).parents[3]
PROGRAMS: tuple[Program, Program] = ("api", "worker")
IN_SCRIPTS = re.compile(r"redis\.p?call\('([A-Z]+)'")
IN_PYTHON = re.compile(r"\b_?(?:client|pipeline)\.([a-z]+)\(")
WORDS = re.compile(r"\(\s*\"([A-Z]{3,})\",")  # commands of connections that bypass redis-py
OTHER_CALLS = {"aclose", "connect", "eval", "execute", "from", "info", "multi", "ping", "pipeline", "pubsub", "watch"}


@pytest.fixture
def client(bad_redis: BadRedis) -> Iterator[SyncClient]:
    with worker_client(Settings(redis_url=bad_redis.url), patient=False) as opened:
        yield opened


def rehearsed(program: Program) -> list[str]:
    commands = rehearsal(program)[-1]
    return [line.split()[0] for line in str(commands).splitlines()]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_rehearsal_fails_nowhere_and_leaves_nothing(
    bad_redis: BadRedis, client: SyncClient, program: Program
) -> None:
    bad_redis.admin.flushall()
    bad_redis.admin.config_resetstat()
    assert client.eval(*rehearsal(program)) == []
    assert (bad_redis.admin.keys(), bad_redis.admin.info("errorstats")) == ([], {})
    with bad_redis.setting("maxmemory", 1):
        assert client.eval(*rehearsal(program)) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_refused_command_is_named(bad_redis: BadRedis, client: SyncClient, program: Program) -> None:
    for command in sorted({*rehearsed(program)} - {"DEL"}):  # without DEL the script itself ends
        with bad_redis.without_permission(command.lower()):
            refusal = find_refusal(client.eval(*rehearsal(program)))
            assert str(refusal).startswith(f"its user needs {command}: ")
        assert bad_redis.admin.keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_rehearsal_has_the_commands_that_the_code_uses(program: Program) -> None:
    used, known = set[str](), {*rehearsed("api"), *rehearsed("worker")}
    for file in [*(ROOT / program).rglob("*.py"), *(ROOT / program).rglob("*.lua")]:
        text = file.read_text()
        used |= set(IN_SCRIPTS.findall(text))
        if "redis" in text:
            methods = set(IN_PYTHON.findall(text)) - OTHER_CALLS
            used |= known.intersection(WORDS.findall(text))
            used |= {"DEL" if method == "delete" else method.upper() for method in methods}
    assert used - {*rehearsed(program)} == set()
