"""Every request is counted once, by the template of its route. The application is a small one of our own."""

import asyncio
from urllib.parse import unquote

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Scope

from api.http.observing import ObservingMiddleware, RequestLog
from api.http.parameters import Places
from api.http.responses import on_request_error, on_unexpected_error
from api.http.routing import NoRoute, path_routes
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
    Route("/{anything}", fine),
    Route("/v2/away", away),
    Route("/broken/whole", broken),
]
PLACES: dict[str, Places | None] = {
    "GET /things/{id}": {"model": "query", "timeout_s": "query", "Prefer": "header"},
    "POST /full": {},
    "DELETE /things/{id}": {"reason": "query"},
    "GET /v2/away": None,
}
PATHS = path_routes(ROUTES, PLACES)
APP = Starlette(routes=PATHS, exception_handlers={RequestError: on_request_error, Exception: on_unexpected_error})
APP.router.redirect_slashes = False
APP.router.default = NoRoute(PATHS)


def ask(metrics: Metrics, method: str, path: str) -> list[Message]:
    """Send a request and return the messages of the response."""
    path, _, query = path.partition("?")
    scope: Scope = {"type": "http", "method": method, "path": unquote(path), "headers": [], "raw_path": path.encode()}
    scope["query_string"] = query.encode()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(ObservingMiddleware(APP, RequestLog(1e9), metrics)(scope, receive, send))
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
    assert counted(("PUT", "/things/1"), ("GET", "/no/where"), ("GET", "/or/else")) == {
        ("PUT", "/things/{id}", 405): 1,
        ("GET", "none", 404): 2,
    }


def test_the_response_is_unchanged() -> None:
    start, body = ask(Metrics(), "GET", "/things/1")
    assert start["status"] == 200
    assert body["body"] == b"fine"


def test_a_refusal_by_a_compatibility_api_is_counted_by_its_reason() -> None:
    metrics = Metrics()
    ask(metrics, "POST", "/full")
    ask(metrics, "GET", "/v2/away")
    ask(metrics, "GET", "/things/1")
    assert +metrics.refusals == {"lane_images": 1, "redis": 1}


def test_what_breaks_is_counted_too() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError):
        ask(metrics, "GET", "/broken/whole")
    assert metrics.requests == {("GET", "/broken/whole", 500): 1}


def problem(method: str, path: str) -> tuple[int, dict[str, str], str]:
    """Return the status, the headers and the detail of a response."""
    start, body = ask(Metrics(), method, path)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, orjson.loads(body["body"])["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allow", "advice"),
    [
        ("PUT", "/things/1", "DELETE, GET, HEAD", "PUT is not possible for /things/1: use DELETE or GET"),
        ("GET", "/full", "POST", "GET is not possible for /full: use POST"),
    ],
)
def test_a_wrong_method_gets_the_right_ones_of_its_path(method: str, path: str, allow: str, advice: str) -> None:
    """The second path also matches the pattern of a later route, which has the method."""
    status, headers, detail = problem(method, path)
    assert (status, headers["allow"], detail) == (405, allow, advice)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/things/1?modell=cnn", "no parameter 'modell' here: did you mean model? The parameters are model, timeout_s"),
        ("/things/1?MODEL=cnn", "did you mean model?"),
        ("/things/1?timeout=3", "did you mean timeout_s?"),
        ("/things/1?utm_source=mail", "here: the parameters are model, timeout_s"),
        ("/things/1?=cnn", "no parameter ''"),
        ("/things/1?model=cnn&model=cnn", "model is given more than once"),
        ("/things/1?model=", "model has no value"),
        ("/things/1?model", "model has no value"),
        ("/things/1?prefer=wait%3D2", "send Prefer as a header"),
        ("/things/1?" + "x" * 60_000 + "=1", "no parameter 'xxxxxxxxxxxx...xxxxxxxxxxxxx' here"),
    ],
)
def test_a_query_that_the_route_does_not_have_is_refused(path: str, said: str) -> None:
    status, _, detail = problem("GET", path)
    assert status == 422
    assert said in detail
    assert problem("HEAD", path)[2] == detail


def test_known_parameters_and_those_of_apis_that_ignore_unknown_ones_are_accepted() -> None:
    assert counted(("GET", "/things/1?timeout_s=3&model=cnn"), ("GET", "/v2/away?x=1")) == {
        ("GET", "/things/{id}", 200): 1,
        ("GET", "/v2/away", 503): 1,
    }
    assert counted(("DELETE", "/things/1?reason=")) == {("DELETE", "/things/{id}", 200): 1}
    assert "did you mean reason? The only parameter is reason" in problem("DELETE", "/things/1?reasn=x")[2]
    assert "this route has no parameters" in problem("POST", "/full?x=1")[2]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/things/1/", "../1"),
        ("/things/1//?model=a%20b&x=%2F", "../../1?model=a%20b&x=%2F"),
        ("/things/a%0d%0aX:1/", "../a%0d%0aX:1"),
        ("/things/%C3%BC/", "../%C3%BC"),
        ("/full/", "../full"),
    ],
)
def test_a_slash_at_the_end_is_a_redirect_to_a_relative_path(path: str, location: str) -> None:
    status, headers, detail = problem("GET", path)
    assert (status, headers["location"]) == (307, location)
    assert "no slash at its end" in detail


@pytest.mark.parametrize("path", ["//", "/no/where/", "//things/1/", "//evil.example/"])
def test_other_paths_are_a_404(path: str) -> None:
    status, _, detail = problem("GET", path)
    assert status == 404
    assert "no path" in detail
