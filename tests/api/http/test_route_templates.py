"""Every request is counted once, by the template of its route. The application is a small one of our own."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Scope

from api.http.observing import ObservingMiddleware
from api.http.responses import on_request_error
from api.http.route_templates import TemplateRoute
from api.metrics import Metrics
from shared.errors import QueueFull, RequestError, Unavailable


async def fine(request: Request) -> Response:
    return PlainTextResponse("fine")


async def full(request: Request) -> Response:
    raise QueueFull("full", 1, "lane_images")


async def away(request: Request) -> Response:
    raise Unavailable("away", "redis")


async def broken(request: Request) -> Response:
    raise ZeroDivisionError


ROUTES = [
    Route("/things/{id}", fine),
    Route("/things/{id}", fine, methods=["DELETE"]),
    Route("/full", full, methods=["POST"]),
    Route("/v2/away", away),
    Route("/broken", broken),
]
APP = Starlette(routes=[TemplateRoute(route) for route in ROUTES], exception_handlers={RequestError: on_request_error})


def ask(metrics: Metrics, method: str, path: str) -> list[Message]:
    """Send a request and return the messages of the response."""
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    scope["raw_path"] = path.encode()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(ObservingMiddleware(APP, 1e9, metrics)(scope, receive, send))
    return sent


def counted(*asked: tuple[str, str]) -> dict[tuple[str, str, int], int]:
    metrics = Metrics()
    for method, path in asked:
        ask(metrics, method, path)
    return metrics.requests


def test_paths_of_one_route_are_one_series() -> None:
    assert counted(("GET", "/things/1"), ("GET", "/things/2"), ("DELETE", "/things/1")) == {
        ("GET", "/things/{id}", 200): 2,
        ("DELETE", "/things/{id}", 200): 1,
    }


def test_an_unknown_method_counts_for_its_route_and_an_unknown_path_for_none() -> None:
    assert counted(("PUT", "/things/1"), ("GET", "/nowhere"), ("GET", "/else")) == {
        ("PUT", "/things/{id}", 405): 1,
        ("GET", "none", 404): 2,
    }


def test_the_response_is_unchanged() -> None:
    start, body = ask(Metrics(), "GET", "/things/1")
    assert start["status"] == 200
    assert body["body"] == b"fine"


def test_a_refusal_is_counted_by_its_reason_also_at_another_protocols_door() -> None:
    metrics = Metrics()
    ask(metrics, "POST", "/full")
    ask(metrics, "GET", "/v2/away")
    ask(metrics, "GET", "/things/1")
    assert +metrics.refusals == {"lane_images": 1, "redis": 1}


def test_what_breaks_is_counted_too() -> None:
    metrics = Metrics()
    try:
        ask(metrics, "GET", "/broken")
    except ZeroDivisionError:
        assert metrics.requests == {("GET", "/broken", 500): 1}
