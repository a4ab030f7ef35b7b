"""`python -m tools.record_formats FILE`: record what the previous release writes to Redis, for the tests of formats.

The code of the previous release answers a few requests with synthetic images. The file has the keys in Redis twice:
`queued` while its worker is stopped, and `final` after the worker has answered. Bytes are in base64.
"""

import signal
import sys
import tempfile
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson

from shared.redis import keys
from tests.support.processes import wait_until
from tests.support.uploads import image_file, npy, zipped
from tools.faults.system.releases import PREVIOUS_RELEASE, extract_previous
from tools.faults.system.service import Service

SETTINGS = {
    "WORKER_TTL_S": "3600",
    "LEASE_MS": "3600000",
    "ENGINE_STALL_S": "3600",
    "SYNC_WAIT_S": "2",
    "WEBHOOK_SECRET": "synthetic" * 4,
}
NOT_RECORDED = (b":layers", b":drift:", b":turn:", b":idempotency:")
CALLBACK_URL = "https://example.com/done"


def synthetic(number: int) -> np.ndarray[Any, Any]:
    """Return uint8[28,28] of a slanted line, which is different for each number."""
    image = np.zeros((28, 28), np.uint8)
    for row in range(4, 24):
        column = 6 + number + row // 3
        image[row, column : column + 3] = 255 - 5 * number
    return image


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="formats-") as name:
        folder = Path(name)
        (folder / "redis").mkdir()
        service = Service(folder / "redis", 1, 1, False, SETTINGS, extract_previous(folder))
        try:
            service.wait_until_ready()
            recorded = record(service)
        finally:
            service.close()
    content = {"release": PREVIOUS_RELEASE, **recorded}
    Path(sys.argv[1]).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def record(service: Service) -> dict[str, Any]:
    url = service.urls[0]
    worker = service.processes["worker-1"]
    worker.signal(signal.SIGSTOP)
    senders = [threading.Thread(target=send_single, args=(url, number)) for number in range(2)]
    for sender in senders:
        sender.start()
    named = [("a/one.png", synthetic(2)), ("two.png", synthetic(3))]
    files = [(name, image_file(image)) for name, image in named] + [("broken.png", b"no image")]
    jobs = {
        "named": post(url, "/mnist/classify/bulk?timeout_s=3600", zipped(files), {"Content-Type": "application/zip"}),
        "called_back": post(
            url,
            f"/mnist/classify/bulk?callback_url={CALLBACK_URL}",
            npy(synthetic(4)[np.newaxis]),
            {"Content-Type": "application/x-npy", "X-Request-ID": "of-mine"},
        ),
    }
    for sender in senders:
        sender.join()
    queued = dump(service.redis)
    worker.signal(signal.SIGCONT)
    for job in jobs.values():
        assert httpx.get(f"{url}/results/{job}?wait=30", timeout=40).json()["eta_s"] == 0.0
    changed = httpx.post(f"{url}/models/cnn/aliases/candidate", json={"version": 1, "reason": "recorded"}, timeout=60)
    assert changed.status_code == 200, changed.text
    wait_until(lambda: any(b'"images":5' in found for found in heartbeats(service)), "a heartbeat with the batches")
    return {"jobs": jobs, "queued": queued, "final": dump(service.redis)}


def send_single(url: str, number: int) -> None:
    """Send a single image, the second one with `verbose=1`. It times out, because the worker is stopped."""
    headers = {"Content-Type": "image/png", "X-Request-ID": f"single-{number}"}
    path = "/mnist/classify?verbose=1" if number else "/mnist/classify"
    reply = httpx.post(url + path, content=image_file(synthetic(number)), headers=headers, timeout=40)
    assert reply.status_code == 504, reply.text


def post(url: str, path: str, body: bytes, headers: dict[str, str]) -> str:
    reply = httpx.post(url + path, content=body, headers=headers, timeout=40)
    assert reply.status_code == 202, reply.text
    job_id: str = reply.json()["id"]
    return job_id


def heartbeats(service: Service) -> Any:
    client: Any = service.redis
    return client.mget(list(client.scan_iter(keys.worker("*"))))


def dump(client: Any) -> dict[str, Any]:
    """Return every key as its type and its value, without empty streams."""
    return {
        key.decode(): {"type": client.type(key).decode(), "value": value_of(client, key)}
        for key in sorted(client.scan_iter(f"{keys.PREFIX}*"))
        if not any(part in key for part in NOT_RECORDED) and (b":stream:" not in key or client.xlen(key))
    }


def value_of(client: Any, key: bytes) -> Any:
    kind = client.type(key)
    if kind == b"string":
        return text(client.get(key))
    if kind == b"hash":
        return {field.decode(): text(value) for field, value in client.hgetall(key).items()}
    if kind == b"zset":
        return {member.decode(): score for member, score in client.zrange(key, 0, -1, withscores=True)}
    if kind == b"stream":
        return {
            entry_id.decode(): {field.decode(): text(value) for field, value in fields.items()}
            for entry_id, fields in client.xrange(key)
        }
    raise ValueError(f"{key!r} is a {kind.decode()}: expected a string, hash, sorted set or stream")


def text(value: Any) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    main()
