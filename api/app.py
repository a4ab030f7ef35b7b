"""The ASGI application: its routes, and the tasks that run in the background."""

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from api.fast.heads import MNIST_ROUTE, VERSION_ROUTE, FastHeads
from api.fast.path import FAST_PATH, FastPath
from api.fast.protocol import FastProtocol
from api.http.access import Access, Gate
from api.http.browsers import for_browsers
from api.http.capacity import EventStreams
from api.http.connections.limits import ConnectionLimits
from api.http.observing import ObservingMiddleware, RequestLog
from api.http.responses import error_response, on_request_error, on_unexpected_error, on_unreadable
from api.http.routing import NoRoute, Shortcut, path_routes
from api.metrics import Metrics
from api.page.routes import get_playground, get_playground_asset
from api.routes.bulk import classify_bulk
from api.routes.classify import ClassifyImage, classify_test_image
from api.routes.compat import v1, v2
from api.routes.dataset import get_image, get_label
from api.routes.dataset_sheets import get_labels, get_sheet
from api.routes.dead_letters import get_dead_letters, replay_dead_letter
from api.routes.metrics import get_metrics, get_metrics_workers
from api.routes.models.aliases import delete_alias, set_alias
from api.routes.models.classify import classify_image, classify_images
from api.routes.models.retraining import cancel_training, get_training, list_trainings, post_training
from api.routes.models.versions import get_aliases, get_changes, get_model, get_models, get_report, get_version
from api.routes.openapi.document import parameter_places
from api.routes.openapi.page import get_asset, get_openapi, get_page
from api.routes.results.events import get_events
from api.routes.results.results import cancel_result, get_items, get_layers, get_result
from api.routes.status import get_healthz, get_readyz, get_status
from api.state import State, make_state, state_of
from shared.config.settings import Settings
from shared.errors import ContractError, EntryError, RequestError
from shared.telemetry.tracing import open_tracing

CANCEL_AGAIN_S = 0.5
THREADS = 8  # read the registry, and pack and unpack; Python's default number grows with the cores
CLASSIFY_IMAGE = ClassifyImage()
ROUTES = [
    Route(MNIST_ROUTE, CLASSIFY_IMAGE, methods=["POST"]),
    Route("/mnist/classify/bulk", classify_bulk, methods=["POST"]),
    Route("/mnist/classify/{index}", classify_test_image),
    Route("/mnist/labels", get_labels),
    Route("/mnist/sheet", get_sheet),
    Route("/mnist/image/{index}", get_image),
    Route("/mnist/label/{index}", get_label),
    Route("/mnist/{index}/classify", classify_test_image),
    Route("/mnist/{index}/image", get_image),
    Route("/mnist/{index}/label", get_label),
    Route("/results/{id}", get_result),
    Route("/results/{id}", cancel_result, methods=["DELETE"]),
    Route("/results/{id}/items", get_items),
    Route("/results/{id}/events", get_events),
    Route("/results/{id}/layers", get_layers),
    Route("/dead-letters", get_dead_letters),
    Route("/dead-letters/{id}/replay", replay_dead_letter, methods=["POST"]),
    Route("/models", get_models),
    Route("/models/{name}", get_model),
    Route(VERSION_ROUTE, classify_image, methods=["POST"]),
    Route("/models/{ref}/classify/bulk", classify_images, methods=["POST"]),
    Route("/models/{name}/aliases", get_aliases),
    Route("/models/{name}/aliases/{alias}", set_alias, methods=["POST"]),
    Route("/models/{name}/aliases/{alias}", delete_alias, methods=["DELETE"]),
    Route("/models/{name}/changes", get_changes),
    Route("/models/{name}/train", post_training, methods=["POST"]),
    Route("/models/{name}/train", list_trainings),
    Route("/models/{name}/train/{id}", get_training),
    Route("/models/{name}/train/{id}", cancel_training, methods=["DELETE"]),
    Route("/models/{name}/{version}", get_version),
    Route("/models/{name}/{version}/report", get_report),
    Route("/metrics", get_metrics),
    Route("/metrics/workers", get_metrics_workers),
    Route("/status", get_status),
    Route("/healthz", get_healthz),
    Route("/readyz", get_readyz),
    Route("/openapi.json", get_openapi),
    Route("/docs", get_page),
    Route("/docs/{asset}", get_asset),
    Route("/", get_playground),
    Route("/page/{asset}", get_playground_asset),
    *v1.ROUTES,
    *v2.ROUTES,
]


async def on_redis_error(request: Request, error: Exception) -> Response:
    return error_response(request.scope, state_of(request).health.unavailable(error))


EXCEPTION_HANDLERS = {
    RequestError: on_request_error,
    RedisError: on_redis_error,
    EntryError: on_unreadable,
    ContractError: on_unreadable,
    Exception: on_unexpected_error,
}


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended. A cancellation can get lost while a connection is being opened."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)


def make_served(settings: Settings) -> tuple[ASGIApp, Callable[..., asyncio.Protocol]]:
    """Return the application and the HTTP protocol of its connections. Raises the errors of `make_app`."""
    event_streams, metrics = EventStreams(settings.max_watchers), Metrics()
    app = make_app(settings, event_streams, metrics)
    return app, functools.partial(FastProtocol, ConnectionLimits(settings, event_streams, metrics))


def make_app(settings: Settings, event_streams: EventStreams, metrics: Metrics) -> ASGIApp:
    """Create the application. Raises DatasetError, ModelError or SettingError if it cannot serve."""
    state = make_state(settings, event_streams, metrics)
    tracing = open_tracing(settings, "mnistified-api", f"{socket.gethostname()}:{os.getpid()}")
    spans = None
    if tracing is not None:
        from api.http.request_spans import Spans

        spans = Spans(tracing)
    places = parameter_places()
    log = RequestLog(settings.log_slow_ms)
    fast_path = FastPath(state, FastHeads(settings, places), log, spans)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with running(state):
            yield {FAST_PATH: fast_path}
        if tracing is not None:
            await asyncio.to_thread(tracing.shutdown)

    routes = path_routes(ROUTES, places)
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=EXCEPTION_HANDLERS)
    app.router.redirect_slashes = False  # NoRoute does it
    app.router.default = NoRoute(routes)
    app.state.service = state
    shortcut = Shortcut(app, MNIST_ROUTE, CLASSIFY_IMAGE, places[f"POST {MNIST_ROUTE}"] or {})
    gate = for_browsers(Gate(shortcut, Access(settings.api_keys)), settings)
    return ObservingMiddleware(gate, log, metrics, spans)


@contextlib.asynccontextmanager
async def running(state: State) -> AsyncIterator[None]:
    """Run the background tasks of a process, and close its connections and threads at the end."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "work"))
    await state.aliases.try_to_read()  # before the first request
    with contextlib.suppress(RedisError, OSError):
        await state.workers.refresh()  # reads Redis's clock
    tasks = [
        asyncio.create_task(forever())
        for forever in (
            state.health.watch,
            state.wakeups.listen,
            state.wakeups.sweep,
            state.workers.watch,
            state.catalog.watch,
            state.aliases.watch,
            state.job_sweep.sweep_forever,
        )
    ]
    yield
    await end_tasks(tasks)
    state.decoder.close()
    state.bodies.close()
    state.wires.close()
    await state.client.aclose()
