"""The process that forks programs: `tests/support/processes/starter.py` starts it.

It imports only packages of other projects. A forked process imports our own code itself, with its own environment.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.processes.starter import CELERY, MAX_REQUEST_BYTES

PACKAGES = (
    *(
        "celery.__main__",
        "celery.apps.worker",
        "celery.bin.celery",
        "celery.concurrency.solo",
        "celery.concurrency.thread",
    ),
    *("celery.app.control", "celery.fixups.django", "kombu.matcher", "kombu.pidbox", "numpy.typing"),
    *("celery.contrib.rdb", "celery.events.state", "kombu.transport.redis", "redis.asyncio.sentinel", "hiredis"),
    *(
        "ai_edge_litert.interpreter",
        "numpy.random",
        "PIL.ImageDraw",
        "PIL.ImageFilter",
        "PIL.ImageOps",
        "msgspec",
        "orjson",
    ),
    *("structlog", "prometheus_client.exposition", "http.server", "ssl", "asyncio", "yaml", "httpx", "tarfile"),
    *("starlette.applications", "starlette.middleware.cors", "python_multipart", "httptools", "anyio"),
    *("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.httptools_impl"),
)


def serve(requests: socket.socket) -> Callable[[], object]:
    """Fork a process for each request, until the parent closes the socket. Return the program of a forked process."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([requests.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report_ended(requests)
        if requests.fileno() in ready:
            message, files, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 3)
            if not message:
                sys.exit()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                os.close(woken)
                os.close(wake)
                return _prepare(json.loads(message), files)
            for file in files:
                os.close(file)
            requests.send(json.dumps([pid, None]).encode())


def _report_ended(requests: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        requests.send(json.dumps([pid, os.waitstatus_to_exitcode(status)]).encode())


def _prepare(request: dict[str, Any], files: list[int]) -> Callable[[], object]:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    command = request["command"]
    if Path(command[0]).name == CELERY:
        sys.argv = command
        from celery.__main__ import main

        return lambda: sys.exit(main())
    sys.argv = command[2:]
    sys.path[1:1] = request["environ"].get("PYTHONPATH", "").split(os.pathsep)
    return lambda: runpy.run_module(command[2], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for package in PACKAGES:
        importlib.import_module(package)
    gc.freeze()  # so that collections in a forked process do not copy its pages
    run = serve(socket.socket(fileno=int(sys.argv[1])))
    run()
