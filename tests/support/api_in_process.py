"""An API in the process of its test, for tests of routes that need no worker and no port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from api.app import make_app
from api.http.event_streams import EventStreams
from api.metrics import Metrics
from shared.config.settings import load_settings
from tests.support.processes import ROOT


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
