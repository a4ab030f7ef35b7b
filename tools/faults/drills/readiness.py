"""Checks that `/readyz` of every API reports the truth about a Redis that refuses commands."""

import time

import httpx

from tools.faults.account import wrong
from tools.faults.drills.scene import Scene

POLL_S = 0.05
READY_S = 15.0


def expect_unready(scene: Scene, for_s: float) -> None:
    """Poll for `for_s` while Redis refuses commands: each answer must be a 503 that says so."""
    deadline_s = time.monotonic() + for_s
    while time.monotonic() < deadline_s:
        for url in scene.service.urls:
            if (complaint := complaint_of(ask(url))) and time.monotonic() < deadline_s:
                scene.record.add(wrong(f"/readyz during the fault: {complaint}"))
                return
        time.sleep(POLL_S)


def expect_ready(scene: Scene, for_s: float) -> None:
    """Poll for `for_s` while Redis answers, although slowly: each answer must be a 200."""
    deadline_s = time.monotonic() + for_s
    while time.monotonic() < deadline_s:
        for url in scene.service.urls:
            if (reply := ask(url)).status_code != 200:
                scene.record.add(wrong(f"/readyz without a fault: {reply.text}"))
                return
        time.sleep(POLL_S)


def expect_recovery(scene: Scene) -> None:
    """Wait until every API is ready again by itself."""
    deadline_s = time.monotonic() + READY_S
    for url in scene.service.urls:
        while (reply := ask(url)).status_code != 200:
            if time.monotonic() > deadline_s:
                scene.record.add(wrong(f"/readyz {READY_S:g} s after the fault: {reply.text}"))
                return
            time.sleep(POLL_S)


def ask(url: str) -> httpx.Response:
    try:
        return httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
    except httpx.TransportError as error:
        return httpx.Response(0, text=repr(error))


def complaint_of(reply: httpx.Response) -> str:
    if reply.status_code != 503:
        return f"{reply.status_code}: {reply.text}"
    if reply.headers["content-type"] != "application/problem+json" or "retry-after" not in reply.headers:
        return f"no problem details with Retry-After: {reply.headers}"
    return "" if "Redis" in reply.json()["detail"] or "worker" in reply.json()["detail"] else reply.text
