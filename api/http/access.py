"""The API keys that requests carry, and the middleware that checks them in front of every route."""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.responses import send_problem
from shared.config.api_keys import ApiKey
from shared.errors import Forbidden, Unauthorized

RawHeaders = Iterable[tuple[bytes, bytes]]

ANYONE = ApiKey("", "", admin=True)  # the caller of every request if no keys are configured
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})  # the page that prompts for a key, and health checks
OPEN_FOLDER = "/page/"  # the assets of that page
HOW_TO_SEND = "send a key as `Authorization: Bearer <key>` or `X-API-Key: <key>`"


class Access:
    """The configured API keys. If there are none, every request is allowed."""

    def __init__(self, api_keys: Sequence[ApiKey]) -> None:
        self._keys = [(bytes.fromhex(key.sha256), key) for key in api_keys]

    def caller(self, headers: RawHeaders) -> ApiKey:
        """Return the key in `headers` (names in lower case). Raises Unauthorized, which never repeats the key."""
        if not self._keys:
            return ANYONE
        digest = sha256(_credential(headers)).digest()
        found: ApiKey | None = None
        for known, key in self._keys:  # all of them, so that the time it takes reveals nothing
            if hmac.compare_digest(known, digest):
                found = key
        if found is None:
            raise Unauthorized(f"this key is not known: {HOW_TO_SEND}")
        return found


class Gate:
    """Middleware that refuses requests without a key and puts the caller's key into the scope, before any routing."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not scope["path"].startswith(OPEN_FOLDER):
            try:
                scope["caller"] = self._access.caller(scope["headers"])
            except Unauthorized as error:
                await send_problem(scope, receive, send, error)
                return
        await self._app(scope, receive, send)


def caller_of(connection: HTTPConnection | Scope) -> ApiKey:
    """Return the caller's key, on every route except the open ones."""
    caller: ApiKey = connection["caller"]
    return caller


def require_admin(caller: ApiKey) -> None:
    """Raise Forbidden if the caller is not an admin."""
    if not caller.admin:
        raise Forbidden("this needs an admin's key")


def _credential(headers: RawHeaders) -> bytes:
    """Return the only key in `headers`, or raise Unauthorized. A proxy may use other `Authorization` schemes."""
    found = set()
    for name, value in headers:
        if name == b"x-api-key":
            found.add(value.strip())
        elif name == b"authorization":
            scheme, _, credential = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                found.add(credential.strip())
    found.discard(b"")
    if not found:
        raise Unauthorized(f"a key is needed: {HOW_TO_SEND}")
    if len(found) > 1:
        raise Unauthorized("two different keys in one request")
    return found.pop()
