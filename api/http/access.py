"""Who is asking: the key that a request carries, and the gate in front of every route."""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.responses import send_problem
from shared.config.api_keys import ApiKey
from shared.errors import Forbidden, Unauthorized

RawHeaders = Iterable[tuple[bytes, bytes]]

ANYONE = ApiKey("", "", admin=True)  # everyone, where no keys are configured
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})  # the page that asks for a key, and machines that hold none
OPEN_FOLDER = "/page/"  # what that page is made of
HOW = "send a key as `Authorization: Bearer <key>` or `X-API-Key: <key>`"


class Access:
    """Which of `api_keys` a request carries. No keys: open to all."""

    def __init__(self, api_keys: Sequence[ApiKey]) -> None:
        self._keys = [(bytes.fromhex(key.sha256), key) for key in api_keys]

    def caller(self, headers: RawHeaders) -> ApiKey:
        """`headers` as ASGI has them: names in lower case. Raises Unauthorized, which never tells what was sent."""
        if not self._keys:
            return ANYONE
        digest = sha256(_credential(headers)).digest()
        found: ApiKey | None = None
        for known, key in self._keys:  # to the end, so that the time tells nothing
            if hmac.compare_digest(known, digest):
                found = key
        if found is None:
            raise Unauthorized(f"this key is not known: {HOW}")
        return found


class Gate:
    """Lets nobody without a key any further, and tells `app` who it is; no routing is done before."""

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
    """Whom the gate let in; on every route but the open ones."""
    caller: ApiKey = connection["caller"]
    return caller


def require_admin(caller: ApiKey) -> None:
    """Raises Forbidden."""
    if not caller.admin:
        raise Forbidden("this needs an admin's key")


def _credential(headers: RawHeaders) -> bytes:
    """The one key among `headers`. Another scheme of `Authorization` is for a proxy before us. Raises Unauthorized."""
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
        raise Unauthorized(f"a key is needed: {HOW}")
    if len(found) > 1:
        raise Unauthorized("two different keys in one request")
    return found.pop()
