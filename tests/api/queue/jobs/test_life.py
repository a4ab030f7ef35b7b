"""A job is kept until it is final, never ends as done without all of its images, and its parts live equally long."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.queue.jobs import life
from api.queue.jobs import upload as upload_module
from api.queue.jobs.idempotency import Claim, claim_key
from api.queue.jobs.life import end_job
from api.queue.jobs.store import new_job_id
from api.queue.jobs.sweep import StreamState, failure_of
from shared.contract.job import Job
from shared.errors import BadUpload, Conflict, NotFound, Unavailable
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.errors import ConditionError
from tests.api.queue.jobs.world import CALLER, REQUEST, RESULT_TTL_S, JobsWorld, jobs_world, upload
from tests.support.processes import wait_until
from tests.worker.batching.test_leases import Worker

DAY_MS = 86_400_000


def ttls(client: SyncClient, job_id: str) -> set[int]:
    """Return the times to live of a job's parts, rounded to minutes."""
    parts = (keys.job(job_id), keys.job_blocks(job_id), keys.job_manifests(job_id))
    return {round(client.ttl(key) / 60) for key in parts if client.exists(key)}


async def claimed(world: JobsWorld, key: str = "key") -> Claim:
    return await claim_key(world.api, "", key, new_job_id(), "cnn")


async def lose_job(client: SyncClient, job_id: str) -> None:
    client.delete(keys.job(job_id), keys.job_manifests(job_id))


async def lose_chunk(client: SyncClient, job_id: str) -> None:
    """Roll the job back to where it was before its last chunk."""
    client.hincrby(keys.job(job_id), "accepted", -2)


@pytest.mark.parametrize("at", [1, 2, 3], ids=["first", "middle", "end"])
@pytest.mark.parametrize("lose", [lose_job, lose_chunk])
async def test_an_upload_of_which_redis_lost_a_part_is_refused_and_leaves_nothing(
    client: SyncClient, scratch_url: str, at: int, lose: Callable[[SyncClient, str], Awaitable[None]]
) -> None:
    async with jobs_world(client, scratch_url) as world:
        claim = await claimed(world)

        def before(number: int) -> Awaitable[None] | None:
            return lose(client, claim.job_id) if number == at else None

        with pytest.raises(Unavailable, match="send it again"):
            await world.store.submit(upload(3, before), REQUEST, claim)
        assert client.hget(keys.job(claim.job_id), "cancelled") or not client.exists(keys.job(claim.job_id))
        assert not client.exists(claim.redis_key, keys.OPEN_JOBS), "the same upload can be sent again"
        assert all(client.ttl(key) > 0 for key in client.keys(keys.job("*")))


async def test_an_upload_that_cannot_be_cancelled_is_cancelled_once_redis_is_back(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "CANCEL_RETRY_S", 0.01)
    refusals = 3

    async def refused_at_first(*args: Any, **options: Any) -> int:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise ConditionError("BUSY a script", "BUSY")
        return await end_job(*args, **options)

    monkeypatch.setattr(upload_module, "end_job", refused_at_first)
    async with jobs_world(client, scratch_url) as world:
        claim = await claimed(world)
        with pytest.raises(ConditionError):
            await world.store.submit(upload(2), REQUEST, claim)
        await asyncio.to_thread(wait_until, lambda: not client.exists(claim.redis_key), "the key can be used again", 5)
        assert (await world.store.read(claim.job_id, CALLER)).state == "cancelled"


async def test_a_job_whose_end_of_the_upload_is_lost_fails_with_the_reason(
    client: SyncClient, scratch_url: str
) -> None:
    """An append-only file of an earlier moment was restored: the job has 4 of 6 images, and no total."""
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(2), REQUEST)
        world.work()
        client.hdel(keys.job(job.id), "total", "finished_ms")
        await world.sweep.sweep()
        assert (await world.store.read(job.id, CALLER)).state == "running", "the upload may only be slow"
        world.make_due(job.id)
        await world.sweep.sweep()
        job = await world.store.read(job.id, CALLER)
        assert (job.state, job.total, job.done) == ("failed", 4, 4)
        assert job.reason is not None
        assert "send the images again" in job.reason
        assert client.zcard(keys.OPEN_JOBS) == 0


async def test_cancelling_a_job_that_came_back_does_not_make_it_done(client: SyncClient, scratch_url: str) -> None:
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(2), REQUEST)
        world.work()
        client.hdel(keys.job(job.id), "total", "finished_ms")
        assert (await world.store.cancel(job.id, CALLER)).state == "cancelled"


async def test_a_job_whose_entries_are_lost_fails_and_keeps_the_results_that_it_has(
    client: SyncClient, scratch_url: str
) -> None:
    async with jobs_world(client, scratch_url) as world:
        claim = await claimed(world)
        job = await world.store.submit(upload(3, bad=[1]), REQUEST, claim)
        world.make_due(job.id)
        await world.sweep.sweep()
        assert (await world.store.read(job.id, CALLER)).finished_ms is None, "its entries wait on the stream"
        client.xtrim(keys.stream("cnn", "bulk", 0), maxlen=1)
        world.work()
        world.make_due(job.id)
        await world.sweep.sweep()
        job = await world.store.read(job.id, CALLER)
        assert (job.state, job.total, job.done, job.failed) == ("failed", 6, 2, 4)
        items = [item async for item in world.store.items(job, 0, 6)]
        assert [item["state"] for item in items] == ["failed"] * 4 + ["done"] * 2
        assert items[0]["error"] == "Redis has lost 3 of the job's 6 images: send the images again"
        assert items[3]["error"] == "no image"
        again = await claimed(world)
        assert not again.holder, "the same upload makes a new job"


async def test_a_job_whose_key_is_in_use_by_others_keeps_no_other_job_from_its_end(
    client: SyncClient, scratch_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with jobs_world(client, scratch_url) as world:
        expiring, waiting = [await world.store.submit(upload(1), REQUEST) for _ in range(2)]
        for number, due in enumerate((keys.DEADLINES, keys.OPEN_JOBS)):
            client.set(keys.job(f"a{number}"), "in the way")
            client.zadd(due, {f"a{number}": 1})
        client.zadd(keys.DEADLINES, {expiring.id: 2})
        for stream in keys.streams("cnn", "bulk"):
            client.xtrim(stream, maxlen=0)
        world.make_due(waiting.id)
        await world.sweep.sweep()
        await world.sweep.sweep()
        states = [(await world.store.read(job.id, CALLER)).state for job in (expiring, waiting)]
        assert states == ["expired", "failed"]
        assert caplog.text.count("job a0 cannot be checked") == caplog.text.count("job a1 cannot be checked") == 1


async def test_a_job_of_which_an_entry_cannot_be_read_at_all_fails_once_it_is_discarded(
    client: SyncClient, scratch_url: str
) -> None:
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(2), REQUEST)
        stream = keys.stream("cnn", "bulk", 0)
        (entry_id, fields), _ = client.xrange(stream)
        client.xdel(stream, entry_id)
        client.xadd(stream, {"h": b"\xff", "x": fields[b"x"]})
        worker = Worker(client, "other")
        worker.pull()
        worker.pull()
        worker.finisher.finish(worker.held_entries.all())
        assert client.xlen(stream) == 0
        world.make_due(job.id)
        await world.sweep.sweep()
        job = await world.store.read(job.id, CALLER)
        assert (job.state, job.total, job.done, job.failed) == ("failed", 4, 2, 2)
        assert job.reason == "Redis has lost 2 of the job's 4 images: send the images again"


async def test_a_job_that_is_read_is_checked_even_if_redis_lost_the_record_of_open_jobs(
    client: SyncClient, scratch_url: str
) -> None:
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(3), REQUEST)
        client.delete(keys.OPEN_JOBS, *keys.streams("cnn", "bulk"))
        assert (await world.store.read(job.id, CALLER)).finished_ms is None
        assert client.zscore(keys.OPEN_JOBS, job.id)
        assert client.ttl(keys.OPEN_JOBS) > 0
        world.make_due(job.id)
        await world.sweep.sweep()
        assert (await world.store.read(job.id, CALLER)).state == "failed"
        assert not client.exists(keys.OPEN_JOBS)


def open_job(**fields: object) -> Job:
    return Job(**{**OPEN, **fields})  # type: ignore[arg-type]


OPEN = {"id": "j1", "model": "cnn@1", "created_ms": 0, "chunk_images": 2, "total": 6, "last_entry": "10-2"}


@pytest.mark.parametrize(
    ("job", "oldest", "now_ms", "fails"),
    [
        (open_job(done=2), b"10-2", 0, False),
        (open_job(done=2), b"9-11", 0, False),
        (open_job(done=2), b"10-3", 0, True),
        (open_job(done=2), b"11-0", 0, True),
        (open_job(done=2), None, 0, True),
        (open_job(last_entry=None), None, 0, False),  # a job of an older API
        (open_job(total=None), b"1-0", 0, True),
        (open_job(), b"1-0", 7 * DAY_MS, False),
        (open_job(), b"1-0", 7 * DAY_MS + 1, True),
    ],
)
def test_a_silent_job_fails_without_a_total_without_entries_or_after_a_week(
    job: Job, oldest: bytes | None, now_ms: int, fails: bool
) -> None:
    assert (failure_of(job, StreamState(oldest), now_ms) is not None) is fails


def test_entries_that_a_worker_of_another_release_has_moved_are_not_lost() -> None:
    for state, behind in (
        (StreamState(None, None, 1), False),
        (StreamState(b"20-0", b"20-0"), False),
        (StreamState(b"20-1", b"20-0"), True),
        (StreamState(None, b"20-0"), True),
        (StreamState(b"9-0", b"5-0"), False),
    ):
        assert state.is_behind("10-2") is behind, state


async def test_an_upload_that_completes_before_its_job_is_ended_is_not_failed(
    client: SyncClient, scratch_url: str
) -> None:
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(1), REQUEST)
        assert await end_job(world.api, job.id, "fail_upload", RESULT_TTL_S, reason="silent") == 0
        assert (await world.store.read(job.id, CALLER)).state == "queued"


async def test_a_claim_and_a_job_are_kept_while_a_slow_upload_sends_nothing(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "RENEWAL_INTERVAL_S", 0.01)
    async with jobs_world(client, scratch_url) as world:
        claim = await claimed(world)

        async def nearly_lapsed(number: int) -> None:
            client.expire(claim.redis_key, 5)
            client.zadd(keys.OPEN_JOBS, {claim.job_id: 1})
            while client.ttl(claim.redis_key) <= 5 or client.zscore(keys.OPEN_JOBS, claim.job_id) == 1:
                await world.api.ping()
            assert (await claimed(world)).holder == claim.job_id
            await world.sweep.sweep()

        job = await world.store.submit(upload(1, nearly_lapsed), REQUEST, claim)
        again = await claimed(world)
        assert (again.holder, again.held_fingerprint) == (job.id, claim.fingerprint)


@pytest.mark.parametrize("damaged", [False, True])
async def test_a_claim_that_another_upload_has_taken_is_neither_written_nor_released(
    client: SyncClient, scratch_url: str, damaged: bool
) -> None:
    async with jobs_world(client, scratch_url) as world:
        first = await claimed(world)

        async def lapse(number: int) -> None:
            if number == 0:
                client.delete(first.redis_key)
                second = await claimed(world)
                assert not second.holder
                await world.store.submit(second.watch(upload(2)), REQUEST, second)
            elif damaged:
                raise BadUpload("damaged")

        with pytest.raises(BadUpload if damaged else Conflict):
            await world.store.submit(first.watch(upload(1, lapse)), REQUEST, first)
        third = await claimed(world)
        assert third.holder not in ("", first.job_id)
        assert third.held_fingerprint


async def test_a_claim_that_lapsed_while_redis_was_away_is_written_again(client: SyncClient, scratch_url: str) -> None:
    async with jobs_world(client, scratch_url) as world:
        first = await claimed(world)

        async def lapse(number: int) -> None:
            client.delete(first.redis_key)

        job = await world.store.submit(first.watch(upload(1, lapse)), REQUEST, first)
        assert (await claimed(world)).holder == job.id


async def test_the_key_of_a_job_that_is_gone_makes_a_new_job(client: SyncClient, scratch_url: str) -> None:
    async with jobs_world(client, scratch_url) as world:
        first = await claimed(world)
        job = await world.store.submit(first.watch(upload(1)), REQUEST, first)
        client.delete(keys.job(job.id))
        second = await claimed(world)
        assert (second.holder, second.held_fingerprint) == ("", "")
        assert client.hget(second.redis_key, "job") == second.job_id.encode()


async def test_the_time_to_live_of_all_parts_of_a_job_counts_from_its_end(client: SyncClient, scratch_url: str) -> None:
    async with jobs_world(client, scratch_url) as world:
        claim = await claimed(world)
        job = await world.store.submit(claim.watch(upload(2, bad=[0])), REQUEST, claim)
        open_minutes, final_minutes = keys.OPEN_TTL_S // 60, round(RESULT_TTL_S / 60)
        assert ttls(client, job.id) == {open_minutes}
        assert round(client.ttl(claim.redis_key) / 60) == open_minutes
        world.work()
        assert (await world.store.read(job.id, CALLER)).state == "done_with_errors"
        assert ttls(client, job.id) == {final_minutes}
        assert round(client.ttl(claim.redis_key) / 60) == final_minutes
        for key in client.keys("*"):
            assert client.ttl(key) > 0, key


@pytest.mark.parametrize("how", ["cancel", "expire"])
async def test_a_job_that_a_client_or_its_deadline_ends_is_kept_as_long(
    client: SyncClient, scratch_url: str, how: str
) -> None:
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(2, bad=[0]), REQUEST)
        if how == "cancel":
            await world.store.cancel(job.id, CALLER)
        else:
            client.zadd(keys.DEADLINES, {job.id: 1})
            await world.sweep.sweep()
        assert ttls(client, job.id) == {round(RESULT_TTL_S / 60)}
        assert (await world.store.read(job.id, CALLER)).finished == 4


async def test_no_job_shortens_the_life_of_the_callbacks_of_others(client: SyncClient, scratch_url: str) -> None:
    async with jobs_world(client, scratch_url) as world:
        client.zadd(keys.CALLBACKS, {"other": 1})
        client.expire(keys.CALLBACKS, keys.OPEN_TTL_S)
        for end in ("cancel", "work"):
            job = await world.store.submit(upload(1), REQUEST)
            client.hset(keys.job(job.id), "callback_url", "https://example.com/")
            client.expire(keys.job(job.id), 3)
            if end == "cancel":
                await world.store.cancel(job.id, CALLER)
            else:
                world.work()
            assert client.zcard(keys.CALLBACKS) > 1
            assert client.ttl(keys.CALLBACKS) > keys.OPEN_TTL_S - 60
            assert client.hgetall(keys.job_callback(job.id)) == client.hgetall(keys.job(job.id))
            assert client.ttl(keys.job_callback(job.id)) > keys.OPEN_TTL_S - 60


@pytest.mark.parametrize("gone", [keys.job, keys.job_blocks, keys.job_manifests])
async def test_items_of_a_job_of_which_a_part_is_gone_are_not_found(
    client: SyncClient, scratch_url: str, gone: Callable[[str], str]
) -> None:
    async with jobs_world(client, scratch_url) as world:
        job = await world.store.submit(upload(2, bad=[0]), REQUEST)
        world.work()
        job = await world.store.read(job.id, CALLER)
        client.delete(gone(job.id))
        with pytest.raises(NotFound):
            _ = [item async for item in world.store.items(job, 0, 4)]
