"""Redis with a password and over TLS: one REDIS_URL is enough for API, worker and Celery, and stays secret."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.processes import free_port
from shared.config.settings import Settings
from shared.data.dataset import Split
from shared.errors import SettingError
from shared.redis.connection import api_client, worker_client
from shared.redis.reachable import check_redis
from tests.support.processes import BIN, Process, check_ping, start_celery
from tests.support.system import READY_S, RedisServer, System, running
from tests.support.tls_proxy import tls_proxy
from worker.app import make_app

PASSWORD = "correct/horse@battery"  # noqa: S105
QUOTED = "correct%2Fhorse%40battery"
WORKER = ["worker", "--pool", "solo", "--loglevel", "debug"]


@pytest.fixture(scope="module")
def guarded_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--requirepass", PASSWORD)
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def tls_port(authority: trustme.CA, guarded_redis: RedisServer) -> Iterator[int]:
    """Yield a port of 127.0.0.1 where Redis is reachable over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with tls_proxy(context, guarded_redis.port) as port:
        yield port


def with_password(url: str, password: str = QUOTED) -> str:
    return url.replace("//", f"//:{password}@")


def over_tls(server: RedisServer, tls_port: int, query: str) -> str:
    return (
        with_password(server.new_url()).replace("redis:", "rediss:").replace(f":{server.port}/", f":{tls_port}/")
        + query
    )


@contextmanager
def logging_everything(redis_url: str) -> Iterator[System]:
    """Yield an API and a worker that log as much as possible, including Celery's banner."""
    with running(redis_url, 0, {"LOG_LEVEL": "debug", "LOG_FORMAT": "text"}) as system:
        system.workers["worker-1"] = start_celery(*WORKER, environ=system.environ)
        system.workers["worker-1"].wait_for_line(" ready.", READY_S)
        system.wait_until_ready()
        yield system


def check_it_classifies(system: System, test_set: Split) -> None:
    """Send a single image and a job, and reach the worker through Celery."""
    assert system.http.get("/mnist/classify/3").json()["prediction"] == test_set.labels[3]
    job = system.finished(system.submit(json={"start": 0, "stop": 200}))
    assert (job["state"], job["counts"]["done"]) == ("done", 200)
    assert PASSWORD not in check_ping(system.environ)


def check_password_is_in_no_output(system: System) -> None:
    system.close()
    outputs = [system.api.output, system.workers["worker-1"].output]
    assert "transport:" in outputs[1], "Celery's banner, which names the address"
    for output in outputs:
        assert PASSWORD not in output
        assert QUOTED not in output


@pytest.mark.slow
def test_the_password_of_redis_works_and_is_in_no_output(guarded_redis: RedisServer, test_set: Split) -> None:
    with logging_everything(with_password(guarded_redis.new_url())) as system:
        check_it_classifies(system, test_set)
        check_password_is_in_no_output(system)


@pytest.mark.slow
def test_one_url_connects_api_worker_and_celery_over_tls(
    guarded_redis: RedisServer, tls_port: int, ca_file: Path, test_set: Split
) -> None:
    with logging_everything(over_tls(guarded_redis, tls_port, f"?ssl_ca_certs={ca_file}")) as system:
        check_it_classifies(system, test_set)
        check_password_is_in_no_output(system)
    assert "insecure" not in system.workers["worker-1"].output


@pytest.mark.slow
@pytest.mark.parametrize("trusted", ["another authority", "this machine's authorities"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    trusted: str, guarded_redis: RedisServer, tls_port: int, tmp_path: Path
) -> None:
    query = ""
    if trusted == "another authority":
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        query = f"?ssl_ca_certs={tmp_path / 'ca.pem'}"
    url = over_tls(guarded_redis, tls_port, query)
    assert "CERTIFICATE_VERIFY_FAILED" in output_of_refused_api(url)
    check_worker_and_celery_refuse(url, "CERTIFICATE_VERIFY_FAILED")


def test_a_certificate_of_another_host_is_refused(
    authority: trustme.CA, ca_file: Path, guarded_redis: RedisServer
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("redis.example.org").configure_cert(context)
    with tls_proxy(context, guarded_redis.port) as port:
        url = over_tls(guarded_redis, port, f"?ssl_ca_certs={ca_file}")
        check_worker_and_celery_refuse(url, "IP address mismatch")
        with pytest.raises(RedisConnectionError, match="IP address mismatch"):
            asyncio.run(api_client(Settings(redis_url=url)).ping())


def check_worker_and_celery_refuse(url: str, reason: str) -> None:
    settings = Settings(redis_url=url)
    with pytest.raises(RedisConnectionError, match=reason):
        worker_client(settings, patient=False)
    with pytest.raises(SettingError, match=reason):
        check_redis(settings)
    app = make_app(settings)
    with app.connection_for_write() as connection, pytest.raises(OperationalError, match=reason):
        connection.ensure_connection(max_retries=1, interval_start=0)
    with pytest.raises(RedisConnectionError, match=reason):
        app.backend.client.ping()


@pytest.mark.parametrize(
    ("query", "verify"),
    [("", "required"), ("?ssl_cert_reqs=required", "required"), ("?ssl_cert_reqs=none", "none")],
)
def test_certificates_are_verified_by_default(query: str, verify: str) -> None:
    options = make_app(Settings(redis_url=f"rediss://127.0.0.1:6380/0{query}")).conf.broker_use_ssl
    assert options["ssl_cert_reqs"] == verify


def output_of_refused_api(url: str) -> str:
    """Return what an API prints that must not start with this Redis."""
    api = Process([str(BIN / "python"), "-m", "api"], {"REDIS_URL": url, "LOG_LEVEL": "debug"})
    assert api.wait(READY_S) == 1
    return api.output


@pytest.mark.slow
def test_a_wrong_password_is_reported_and_not_shown(guarded_redis: RedisServer) -> None:
    output = output_of_refused_api(with_password(guarded_redis.new_url(), "hunter2"))
    assert "correct the user or password in REDIS_URL" in output
    assert "hunter2" not in output


@pytest.mark.slow
@pytest.mark.parametrize("password", [None, "hunter2"])
@pytest.mark.parametrize("app", ["worker.app", "worker.tasks.app", "worker.tasks.trainer"])
def test_a_worker_with_a_wrong_password_exits_with_one_sentence(
    app: str, password: str | None, guarded_redis: RedisServer
) -> None:
    url = f"redis://127.0.0.1:{guarded_redis.port}/0"
    environ = {"REDIS_URL": with_password(url, password) if password else url, "ENGINE_THREADS": "1"}
    worker = start_celery("worker", "--pool", "solo", environ=environ, app=app)
    assert worker.wait(READY_S) == 1
    (line,) = worker.output.splitlines()
    assert "correct the user or password in REDIS_URL" in line
    assert "hunter2" not in line


@pytest.mark.slow
def test_flower_with_a_wrong_password_exits_with_one_sentence(guarded_redis: RedisServer) -> None:
    url = with_password(f"redis://127.0.0.1:{guarded_redis.port}/0", "hunter2")
    flower = Process([str(BIN / "python"), "-m", "worker.flower", f"--port={free_port()}"], {"REDIS_URL": url})
    assert flower.wait(READY_S) == 1
    (line,) = flower.output.splitlines()
    assert "correct the user or password in REDIS_URL" in line
    assert "hunter2" not in line


@pytest.mark.slow
def test_flower_shows_the_workers_over_tls(guarded_redis: RedisServer, tls_port: int, ca_file: Path) -> None:
    url = over_tls(guarded_redis, tls_port, f"?ssl_ca_certs={ca_file}")
    port = free_port()
    flower = start_celery("flower", f"--port={port}", "--address=127.0.0.1", environ={"REDIS_URL": url})
    try:
        flower.wait_for_line("Connected to rediss://", READY_S)
        assert httpx.get(f"http://127.0.0.1:{port}/broker", timeout=20).status_code == 200
    finally:
        flower.stop()
    assert "Unable to get queues" not in flower.output
    for secret in (PASSWORD, QUOTED):
        assert secret not in flower.output
