"""Requests that a browser sends for a page: pages of other websites are refused unless CORS_ORIGINS lists them."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.responses import send_problem
from shared.browser_guard import ANY, BrowserGuard
from shared.config.settings import Settings
from shared.errors import Forbidden

METHODS = ("GET", "HEAD", "POST", "DELETE")
EXPOSED_HEADERS = (
    *("Allow", "ETag", "Inference-Header-Content-Length", "Location", "Preference-Applied", "Retry-After"),
    *("WWW-Authenticate", "X-Dataset", "X-Request-ID"),
)
PREFLIGHT_TTL_S = 600
PREFLIGHT_HEADER = b"access-control-request-method"


class GuardMiddleware:
    """Refuses the requests that `BrowserGuard` refuses.

    With API keys it only refuses preflights: a page of another website has no key, and a browser sends none for it.
    """

    def __init__(self, app: ASGIApp, guard: BrowserGuard, *, keys: bool) -> None:
        self._app = app
        self._guard = guard
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (not self._keys or is_preflight(scope)):
            reason = self._guard.refusal(scope["method"], scope["headers"])
            if reason is not None:
                await send_problem(scope, receive, send, Forbidden(reason))
                return
        await self._app(scope, receive, send)


def is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(name == PREFLIGHT_HEADER for name, _ in scope["headers"])


def for_browsers(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return `app` for browsers: guarded, and with the headers of CORS if CORS_ORIGINS is set."""
    keys = bool(settings.api_keys)
    if settings.cors_origins:
        app = with_cors(app, settings.cors_origins)
    elif keys:
        return app
    return GuardMiddleware(app, guard_of(settings), keys=keys)


def guard_of(settings: Settings) -> BrowserGuard:
    """Return the guard of requests, which with API keys accepts every name of this service."""
    allowed_hosts = (ANY,) if settings.api_keys else settings.allowed_hosts
    return BrowserGuard(settings.api_host, allowed_hosts, settings.cors_origins)


def headers_without_origin(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers that `for_browsers` adds to a response whose request has no Origin."""
    return [(b"vary", b"Origin")] if settings.cors_origins else []


def with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=["*"],
        allow_private_network=True,  # the service may be on a loopback address, and the website on a public one
        expose_headers=EXPOSED_HEADERS,
        max_age=PREFLIGHT_TTL_S,
    )
