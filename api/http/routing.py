"""Routing: one entry per path, which checks the method and the query before it calls the endpoint."""

from collections.abc import Iterable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.parameters import Places, check_query
from api.http.responses import Json, send_problem
from shared.errors import BadParameter, MethodNotAllowed, NotFound

TEMPLATE = "template"  # scope key that holds the matched route's path template

PlacesByOperation = Mapping[str, Places | None]  # by `METHOD /path`; None: the query is not checked


class PathRoute(BaseRoute):
    """All routes of one path. It puts the path template into the scope, also if the response is an error.

    The first PathRoute that matches a path answers, so a wrong method gets a 405 that names every right one.
    """

    def __init__(self, routes: Sequence[Route], places: PlacesByOperation) -> None:
        self.routes = routes
        self.path = routes[0].path
        self._by_method = {method: route for route in routes for method in route.methods or ()}
        self._places = {method: places.get(f"{_described(method)} {self.path}") for method in self._by_method}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = self.routes[0].matches(scope)
        return (match, found) if match is Match.NONE else (Match.FULL, {**found, TEMPLATE: self.path})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint. Raises MethodNotAllowed or BadParameter."""
        method = scope["method"]
        if method not in self._by_method:
            raise wrong_method(method, scope["path"], self._by_method)
        places = self._places[method]
        if places is not None and scope["query_string"]:
            check_query(QueryParams(scope["query_string"]), places)
        await self._by_method[method].handle(scope, receive, send)


class Shortcut:
    """Calls the endpoint of one path directly, because the framework would double its cost."""

    def __init__(self, app: Starlette, path: str, endpoint: ASGIApp, places: Places) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        scope[TEMPLATE] = self._path
        if scope["query_string"]:
            try:
                check_query(QueryParams(scope["query_string"]), self._places)
            except BadParameter as error:
                await send_problem(scope, receive, send, error)
                return
        await self._endpoint(scope, receive, send)


class NoRoute:
    """Answers requests for unknown paths. A path with a slash too many at its end is redirected."""

    def __init__(self, routes: Sequence[PathRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise NotFound, or send the redirect."""
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/")
        if path and path != scope["path"]:
            without_slash = {**scope, "path": path}
            if any(route.matches(without_slash)[0] is Match.FULL for route in self._routes):
                await redirect_to_path_without_slash(scope)(scope, receive, send)
                return
        raise NotFound(f"there is no path {scope['path']!r}: /docs and /openapi.json list all paths")


def path_routes(routes: Iterable[Route], places: PlacesByOperation) -> list[PathRoute]:
    """Return one PathRoute per path, in the order of the paths' first routes."""
    by_path: dict[str, list[Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, []).append(route)
    return [PathRoute(group, places) for group in by_path.values()]


def wrong_method(method: str, path: str, methods: Iterable[str]) -> MethodNotAllowed:
    """Return the error for a request with another method than `methods`."""
    allowed = sorted(methods)
    named = [each for each in allowed if each != "HEAD"]
    return MethodNotAllowed(f"{method} is not possible for {path}: use {' or '.join(named)}", allowed)


def redirect_to_path_without_slash(scope: Scope) -> Response:
    """Return a redirect to the path without the slashes at its end.

    The location is relative, because a proxy in front of this server may use TLS, another host and a longer path.
    """
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    stripped = path.rstrip("/")
    location = "../" * (len(path) - len(stripped)) + stripped.rpartition("/")[2] + (f"?{query}" if query else "")
    quoted = RedirectResponse(location).headers["location"]
    return Json({"detail": f"the path has no slash at its end: {stripped}"}, 307, {"Location": quoted})


def _described(method: str) -> str:
    return "GET" if method == "HEAD" else method
