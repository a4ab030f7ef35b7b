"""APIs in the process of their test, which start in a tenth of the time of a process of their own."""

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from api.app import make_app
from api.fast.protocol import FastProtocol
from api.http.capacity import EventStreams
from api.http.connections.limits import ConnectionLimits
from api.metrics import Metrics
from shared.config.settings import load_settings
from tests.support.processes import ROOT, wait_until


@asynccontextmanager
async def running_api(redis_url: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an API whose background tasks run."""
    settings = load_settings({"REDIS_URL": redis_url, "MODELS_DIR": str(ROOT / "models"), **(environ or {})})
    app = make_app(settings, EventStreams(settings.max_watchers), Metrics())
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    lifespan = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    started = await sent.get()
    assert started["type"] == "lifespan.startup.complete", started
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5000") as http:
        try:
            yield http
        finally:
            await received.put({"type": "lifespan.shutdown"})
            await lifespan


class ApiThread:
    """An API that serves its port from a thread. `environ` are its settings, in addition to those of this process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        settings = load_settings({**os.environ, **environ})
        event_streams, metrics = EventStreams(settings.max_watchers), Metrics()
        protocol = functools.partial(FastProtocol, ConnectionLimits(settings, event_streams, metrics))
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_app(settings, event_streams, metrics),
                port=settings.api_port,
                http=protocol,  # type: ignore[arg-type]
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive(), "the API has started")
        assert self._server.started

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
