"""A Redis that refuses writes, or may delete what it accepted: what the API says, and that it recovers by itself."""

import asyncio
import time

import httpx
import pytest

from api.queue.redis_health import REFUSED_S
from shared.contract.heartbeat import HEARTBEAT_CODEC
from shared.data.dataset import Split
from shared.redis import keys
from shared.redis.errors import CONDITIONS
from tests.support.api_in_process import running_api
from tests.support.bad_redis import BadRedis
from tests.support.heartbeats import live_worker
from tests.support.processes import wait_until

IMAGE_JOB = {"start": 0, "stop": 10}


@pytest.fixture(autouse=True)
def _worker(bad_redis: BadRedis) -> None:
    """Write the heartbeat of a worker that does nothing."""
    bad_redis.admin.flushall()
    bad_redis.admin.zadd(keys.WORKERS, {"w1": time.time()})
    bad_redis.admin.set(keys.worker("w1"), HEARTBEAT_CODEC.encode(live_worker("w1")))


def check_problem(reply: httpx.Response, *words: str) -> None:
    assert reply.status_code == 503, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] == "1"
    for word in words:
        assert word in reply.json()["detail"]
    assert "script" not in reply.text.replace("busy with a script", ""), "no text of a Lua error"


@pytest.mark.parametrize("code", ["READONLY", "MISCONF", "NOREPLICAS", "OOM", "BUSY", "NOAUTH", "NOPERM"])
async def test_a_condition_is_a_503_that_explains_itself_on_every_route(
    bad_redis: BadRedis, code: str, test_set: Split
) -> None:
    instances = {"instances": test_set.images[:1].tolist()}
    async with running_api(bad_redis.url) as http:
        assert (await http.get("/readyz")).status_code == 200
        with bad_redis.conditions()[code]():
            await http.get("/readyz")  # the first command on a closed connection meets only its end
            replies = await asyncio.gather(
                http.get("/readyz"),
                http.get("/mnist/classify/0"),
                http.post("/mnist/classify/bulk", json=IMAGE_JOB),
                http.post("/mnist/classify/bulk", json=IMAGE_JOB, headers={"Idempotency-Key": "a"}),
                http.post("/v1/models/cnn:predict", json=instances),
                http.post("/models/cnn/train", json={}),
                http.post("/models/cnn/aliases/champion", json={"version": 3}),
            )
            for reply in replies[:4]:
                check_problem(reply, CONDITIONS[code][1], f"({code})")
            training = 202 if code == "OOM" else 503  # a training needs little memory
            assert [reply.status_code for reply in replies[4:]] == [503, training, 503]
        if code == "NOPERM":
            check_problem(await http.get("/readyz"), "(NOPERM)")  # a request met it, perhaps for another command
            await asyncio.sleep(REFUSED_S)  # nothing but time ends it
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.post("/mnist/classify/bulk", json=IMAGE_JOB)).status_code == 202
        assert (await http.get("/status")).json()["status"] == "ok"


@pytest.mark.parametrize("missing", ["-publish", "-hgetall", "resetchannels"])
async def test_a_missing_permission_is_a_503_and_in_the_log(
    bad_redis: BadRedis, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_api(bad_redis.url) as http:
        assert (await http.get("/readyz")).status_code == 200
        with bad_redis.permissions(missing):
            check_problem(await http.get("/readyz"), CONDITIONS["NOPERM"][1])
            assert (await http.get("/status")).status_code == (503 if missing == "-hgetall" else 200)
        named = missing[1:].upper() if missing[0] == "-" else "PUBLISH"
        assert f"Redis: its user needs {named}: " in caplog.text
        if missing == "-hgetall":
            await asyncio.sleep(REFUSED_S)
        assert (await http.get("/readyz")).status_code == 200


async def test_status_explains_a_redis_that_refuses_writes(bad_redis: BadRedis) -> None:
    async with running_api(bad_redis.url) as http:
        with bad_redis.setting("min-replicas-to-write", 1):
            status = (await http.get("/status")).json()
            assert status["status"] == "redis"
            assert status["redis"] == f"Redis is unavailable: {CONDITIONS['NOREPLICAS'][1]} (NOREPLICAS)"
            assert "mnistified_fleet_redis_unsafe 1.0" in (await http.get("/metrics")).text
        assert (await http.get("/status")).json()["redis"] is None


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_policy_that_evicts_is_reported_with_what_to_do(bad_redis: BadRedis, policy: str) -> None:
    async with running_api(bad_redis.url) as http:
        with bad_redis.setting("maxmemory-policy", policy):
            advice = (f"maxmemory-policy is {policy}", "set maxmemory-policy to noeviction")
            check_problem(await http.get("/readyz"), *advice)
            status = (await http.get("/status")).json()
            assert status["status"] == "redis"
            assert all(words in status["redis"] for words in advice)
        assert (await http.get("/readyz")).status_code == 200


@pytest.mark.parametrize("key", [keys.queued("cnn", "bulk"), keys.stream("cnn", "bulk", 3)])
async def test_a_key_of_another_type_costs_only_its_lane(bad_redis: BadRedis, key: str) -> None:
    redis, other = bad_redis.admin, keys.queued("cnn-small", "bulk")
    redis.hset(other, mapping={"images": 7, "bytes": 700})
    with bad_redis.in_the_way(key):
        async with running_api(bad_redis.url) as http:
            await asyncio.to_thread(wait_until, lambda: not redis.exists(other), "other counters are reset")
            assert (await http.get("/readyz")).status_code == 200
            status = (await http.get("/status")).json()
            assert status["status"] == "redis"
            assert status["redis"].startswith("another program has written to mnistified:queued:cnn:bulk or the keys")
            assert status["queues"]["cnn"]["bulk"]["images"] == 0
            assert "mnistified_fleet_redis_unsafe 1.0" in (await http.get("/metrics")).text


async def test_counters_of_entries_that_redis_has_lost_are_reset(bad_redis: BadRedis) -> None:
    redis, bulk, interactive, team = (
        bad_redis.admin,
        keys.queued("cnn", "bulk"),
        keys.queued("cnn", "interactive"),
        "team",
    )
    redis.hset(interactive, mapping={"images": 7, "bytes": 700})
    redis.hset(bulk, mapping={"images": 700, "bytes": 1 << 20, "5": 700})
    redis.hset(keys.client(team), mapping={"images": 700, "shard": "5"})
    entry_id = redis.xadd(keys.stream("cnn", "bulk", 5), {"h": "", "x": ""})
    async with running_api(bad_redis.url, {"API_KEYS": f"{team}:{'a' * 64}"}):
        await asyncio.to_thread(wait_until, lambda: not redis.exists(interactive), "an empty lane is reset")
        assert redis.hget(bulk, "images") == redis.hget(keys.client(team), "images") == b"700"
        redis.xdel(keys.stream("cnn", "bulk", 5), entry_id)
    async with running_api(bad_redis.url, {"API_KEYS": f"{team}:{'a' * 64}"}):
        await asyncio.to_thread(wait_until, lambda: not redis.exists(bulk), "the other lane is reset")
        await asyncio.to_thread(wait_until, lambda: redis.hgetall(keys.client(team)) == {b"shard": b"5"}, "so is a key")
