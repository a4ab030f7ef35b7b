"""REDIS_URL with Sentinels: accepted and replicated images survive the master, and the next master continues."""

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import trustme

from deploy.processes import free_port
from deploy.redis_server import find_redis_server
from tests.support.processes import Process, check_ping, wait_until
from tests.support.redis_group import SERVICE, RedisGroup
from tests.support.system import System, running
from tests.support.threads import repeating
from tests.support.uploads import npy

PASSWORD = "correct/horse@battery"  # noqa: S105
QUOTED = "correct%2Fhorse%40battery"
SENTINEL_PASSWORD = "staple&battery"  # noqa: S105
QUOTED_SENTINEL = "staple%26battery"
JOBS, JOB_IMAGES = 6, 3000
SECRETS = (PASSWORD, QUOTED, SENTINEL_PASSWORD, QUOTED_SENTINEL)

pytestmark = pytest.mark.slow


@pytest.fixture
def group(tmp_path: Path) -> Iterator[RedisGroup]:
    group = RedisGroup(tmp_path, PASSWORD, SENTINEL_PASSWORD)
    yield group
    group.close()


@contextmanager
def served_by(group: RedisGroup, scheme: str = "sentinel", query: str = "") -> Iterator[System]:
    """Yield an API and a worker that know only the Sentinels."""
    url = f"{scheme}://:{QUOTED}@{group.hosts}/{SERVICE}/1?sentinel_password={QUOTED_SENTINEL}{query}"
    direct = f"redis://:{QUOTED}@127.0.0.1:{group.master()}/1"
    with running(direct, environ={"REDIS_URL": url, "LEASE_MS": "1000", "LOG_LEVEL": "debug"}) as system:
        yield system


@contextmanager
def sending(system: System) -> Iterator[Counter[int]]:
    """Request one image after another. Yield the number of responses by status code."""
    statuses: Counter[int] = Counter()
    with repeating(lambda _: statuses.update([system.http.get("/mnist/classify/3").status_code])):
        yield statuses


def wait_for_more_answers(statuses: Counter[int], answers: int) -> None:
    so_far = statuses[200]
    wait_until(lambda: statuses[200] >= so_far + answers, f"{answers} more answers")


def submit_jobs(system: System) -> list[str]:
    body = npy(np.random.default_rng(1).integers(0, 256, (JOB_IMAGES, 28, 28), np.uint8))
    return [system.submit(content=body, headers={"Content-Type": "application/x-npy"}) for _ in range(JOBS)]


def check_all_done(system: System, job_ids: list[str]) -> None:
    for job_id in job_ids:
        job = system.finished(job_id)
        assert (job["state"], job["counts"]["done"]) == ("done", JOB_IMAGES), job
    assert [item["index"] for item in system.items(job_ids[-1])] == list(range(JOB_IMAGES))


def check_celery_answers(system: System) -> None:
    output = check_ping(system.environ)
    assert not any(secret in output for secret in SECRETS)


@pytest.mark.timeout(180)
def test_no_replicated_image_is_lost_when_the_master_is_killed_under_load(group: RedisGroup) -> None:
    master = group.master()
    with served_by(group) as system, sending(system) as statuses:
        wait_for_more_answers(statuses, 10)
        job_ids = submit_jobs(system)
        with group.client(master) as client:
            assert client.wait(1, 5000) == 1, "the replica has all images accepted so far"
            unfinished = [job_id for job_id in job_ids if system.http.get(f"/results/{job_id}").json()["eta_s"] != 0]
        group.servers[master].signal(signal.SIGKILL)
        assert unfinished, "some jobs were unfinished at the kill"

        group.wait_for_another_master(than=master)
        wait_for_more_answers(statuses, 10)
        check_all_done(system, job_ids)
        worker = system.workers["worker-1"]
        assert worker.status is None, "the worker survived"
        wait_until(lambda: worker.output.count("Connected to sentinel") == 2, "Celery's own connection is back")
        check_celery_answers(system)
        assert set(statuses) <= {200, 503}
        assert system.finished(submit_jobs(system)[0])["state"] == "done"
    for secret in SECRETS:
        assert secret not in system.api.output + system.workers["worker-1"].output


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_silent_master_is_replaced_and_becomes_a_replica_when_it_returns(group: RedisGroup) -> None:
    """The master keeps its connections open, like one whose machine lost its network."""
    master = group.master()
    with served_by(group) as system, sending(system) as statuses:
        wait_for_more_answers(statuses, 10)
        job_ids = submit_jobs(system)
        with group.client(master) as client:
            assert client.wait(1, 5000) == 1
        group.servers[master].signal(signal.SIGSTOP)
        try:
            new = group.wait_for_another_master(than=master)
            wait_for_more_answers(statuses, 50)
            check_all_done(system, job_ids)
        finally:
            group.servers[master].signal(signal.SIGCONT)
        with group.client(master) as client:
            wait_until(lambda: client.info("replication")["role"] == "slave", "a replica of the new master")
        wait_for_more_answers(statuses, 50)
        assert group.master() == new
        assert system.workers["worker-1"].status is None


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_master_without_a_replica_accepts_nothing_and_the_workers_wait(group: RedisGroup) -> None:
    """`min-replicas-to-write` refuses images that would be lost with the master."""
    (replica,) = set(group.ports) - {group.master()}
    with group.client(group.master()) as client:
        client.config_set("min-replicas-to-write", 1)
    with served_by(group) as system:
        assert system.http.get("/mnist/classify/3").status_code == 200
        group.servers[replica].stop()
        wait_until(lambda: system.http.get("/mnist/classify/3").status_code == 503, "refused")
        detail = system.http.get("/mnist/classify/3").json()["detail"]
        assert "replicas" in detail, "the words of Redis, or ours once its health has been read"
        system.workers["worker-1"].wait_for_line("Frequent restarts detected")  # the connection is Celery's
        with group.client(group.master()) as client:
            client.config_set("min-replicas-to-write", 0)  # as good as the replica's return
        wait_until(lambda: system.http.get("/mnist/classify/3").status_code == 200, "accepted")
        assert system.workers["worker-1"].status is None


@pytest.mark.long
@pytest.mark.timeout(120)
def test_api_worker_and_celery_reach_the_master_through_the_sentinels_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_SERVER", server_with_tls())
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    tls = {"cert": "server.pem", "key": "server.pem", "ca-cert": "ca.pem"}
    options = [word for name, file in tls.items() for word in (f"--tls-{name}-file", str(tmp_path / file))]
    group = RedisGroup(tmp_path, PASSWORD, SENTINEL_PASSWORD, (*options, "--tls-auth-clients", "no"))
    try:
        with served_by(group, "sentinels", f"&ssl_ca_certs={tmp_path / 'ca.pem'}") as system:
            assert system.http.get("/mnist/classify/3").status_code == 200
            assert system.finished(system.submit(json={"start": 0, "stop": 20}))["state"] == "done"
            check_celery_answers(system)
    finally:
        group.close()


def server_with_tls() -> str:
    """Return a server that was built with TLS, or skip the test. The packaged Valkey was not."""
    for server in (str(find_redis_server()), shutil.which("valkey-server"), shutil.which("redis-server")):
        if server is not None:
            process = Process([server, "--port", "0", "--tls-port", str(free_port())], {})
            process.wait()
            if "No tls-cert-file configured" in process.output:
                return server
    pytest.skip("no Redis or Valkey on the PATH was built with TLS")
