"""deploy/nginx in front of two real API processes: TLS, uploads, events, and an API process that dies."""

import re
import signal
import socket
import ssl
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from deploy.processes import free_port
from tests.support.processes import Process, wait_until
from tests.support.proxy import Proxy, another_api
from tests.support.system import System
from tests.support.threads import repeating
from tests.support.uploads import noise, npy

LARGE_IMAGES = 40_000  # 31 MB
MAX_WORKER_BYTES = 16 << 20  # that a worker of nginx may grow by

pytestmark = pytest.mark.slow


def test_it_serves_the_api_over_tls(proxy: Proxy, system: System) -> None:
    with proxy.client() as http:
        assert http.get("/mnist/label/3").json() == system.http.get("/mnist/label/3").json()
        assert http.get("/mnist/classify/3").json()["prediction"] == http.get("/mnist/label/3").json()["label"]
        assert http.get("/nothing").json() == system.http.get("/nothing").json()
    assert httpx.get(f"{proxy.url}/healthz").json() == {"status": "ok"}, "and plainly to this machine"


@pytest.mark.parametrize(("version", "spoken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_tls_is_spoken_from_1_2_on(version: str, spoken: bool, proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.certificate_dir / "tls.crt"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", proxy.tls_port), timeout=10) as plain:
        if spoken:
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()
        else:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_certificate_that_is_given_is_used_and_one_that_was_made_is_kept(
    system: System, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy([system.port])
    folder = proxy.certificate_dir
    made = (folder / "tls.crt").read_bytes()
    assert (folder / "tls.key").stat().st_mode & 0o077 == 0, "for nobody else to read"
    assert proxy.process.stop() == 0
    proxy.start()
    assert (folder / "tls.crt").read_bytes() == made
    assert proxy.process.stop() == 0

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    issued.private_key_pem.write_to_path(str(folder / "tls.key"))
    proxy.start()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    assert httpx.get(f"{proxy.tls_url}/healthz", verify=context).status_code == 200


def test_an_upload_streams_through_and_leaves_nothing_behind(proxy: Proxy, system: System) -> None:
    """The first half is queued while the second has not been sent, and nginx holds neither on disk nor in memory."""
    body = npy(noise(LARGE_IMAGES))
    worker_bytes = {pid: rss_bytes(pid) for pid in proxy.worker_pids()}
    done_before = finished_images(system)

    def first_half_came_through() -> bool:
        queued = system.http.get("/status").json()["queues"]["cnn"]["bulk"]["images"]
        return bool(queued or finished_images(system) > done_before)

    def halves() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        wait_until(first_half_came_through, "queued before the rest was sent")
        yield body[len(body) // 2 :]

    headers = {"Content-Type": "application/x-npy", "Content-Length": str(len(body))}
    with proxy.client() as http:
        reply = http.post("/mnist/classify/bulk", content=halves(), headers=headers)
        assert reply.status_code == 202, reply.text
        assert list((proxy.run_dir / "body").rglob("*")) == []
        grown = {pid: rss_bytes(pid) - before for pid, before in worker_bytes.items()}
        assert max(grown.values()) < MAX_WORKER_BYTES, grown
        assert http.delete(reply.headers["location"]).status_code == 200


def finished_images(system: System) -> int:
    return sum(worker["images"] for worker in system.http.get("/status").json()["workers"])


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_events_are_passed_on_at_once(proxy: Proxy, system: System) -> None:
    """The first event arrives while the job cannot make progress."""
    worker = system.workers["worker-1"]
    worker.signal(signal.SIGSTOP)
    try:
        job_id = system.submit(json={"start": 0, "stop": 20})
        with proxy.client() as http, http.stream("GET", f"/results/{job_id}/events") as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            lines = events.iter_lines()
            first = next(line for line in lines if line.startswith("event:"))
            assert first == "event: progress"
            worker.signal(signal.SIGCONT)
            assert "event: final" in list(lines)
    finally:
        worker.signal(signal.SIGCONT)


def test_requests_continue_on_the_other_api_process_when_one_is_killed(
    system: System, start_proxy: Callable[..., Proxy]
) -> None:
    """Running reads and new requests both find the process that lives."""
    port = free_port()
    with another_api(system, port) as mortal:
        proxy = start_proxy([system.port, port])
        check_reads_go_on(proxy, mortal)
    with proxy.client() as http:
        picture = http.get("/mnist/image/3", headers={"Accept": "image/png"}).content
        assert {http.post("/mnist/classify", content=picture).status_code for _ in range(50)} == {200}
    check_back_in_turn(proxy, system, port)


def check_reads_go_on(proxy: Proxy, mortal: Process) -> None:
    statuses: Counter[int] = Counter()
    with proxy.client() as http:

        def read(_: int) -> None:
            statuses[http.get("/mnist/label/3").status_code] += 1

        with repeating(read, threads=4):
            wait_until(lambda: statuses[200] > 100, "read")
            mortal.signal(signal.SIGKILL)
            mortal.wait()
            so_far = statuses[200]
            wait_until(lambda: statuses[200] > so_far + 200, "read on")
    assert set(statuses) == {200}


def check_back_in_turn(proxy: Proxy, system: System, port: int) -> None:
    """A process that restarts on its port is used again."""
    answered = f'"status":200,.*"api":"127.0.0.1:{port}"'
    before = len(re.findall(answered, proxy.process.output))

    def used_again() -> bool:
        with proxy.client() as http:
            assert http.get("/mnist/label/3").status_code == 200
        return len(re.findall(answered, proxy.process.output)) > before

    with another_api(system, port):
        wait_until(used_again, "used again")


def test_without_an_api_process_the_proxy_answers_in_the_form_of_the_api(start_proxy: Callable[..., Proxy]) -> None:
    with start_proxy([free_port(), free_port()]).client() as http:
        reply = http.get("/status")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"] == "no API process is reachable"
