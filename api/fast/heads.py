"""Recognizes the heads of requests that the fast path may serve."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httptools
from starlette.datastructures import Headers, QueryParams

from api.http.access import Access
from api.http.browsers import guard_of
from api.http.parameters import (
    accept_parameter,
    check_query,
    preferred_wait_s,
    prefers_async,
    timeout_parameter,
    top_parameter,
)
from api.http.request_origin import ORIGIN_HEADERS, origin_of_headers
from api.http.routing import PlacesByOperation
from api.queue.classify_request import ClassifyRequest, accept_of_version
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings
from shared.contract.entry import NO_ORIGIN, Origin
from shared.contract.model_spec import MNIST_SPEC, ModelSpec
from shared.errors import RequestError

RawHeader = tuple[bytes, bytes]

MAX_BODY_BYTES = 4 << 10  # a PNG of 28×28 grey pixels has at most 1 KiB
HEAD_END = b"\r\n\r\n"
MAX_KNOWN_HEADS = 256
MAX_KNOWN_LENGTHS = 1024  # heads that differ in the length of their body count separately
MAX_KNOWN_HEAD_BYTES = 4 << 10
MNIST_ROUTE = "/mnist/classify"
VERSION_ROUTE = "/models/{ref}/classify"
REF_IN_PATH = re.compile(rb"/models/([A-Za-z0-9._@-]+)/classify")  # names without percent-encoding
PARAMETERS = {MNIST_ROUTE: {"model", "timeout_s", "accept"}, VERSION_ROUTE: {"timeout_s", "accept", "top"}}
# Browsers send Origin and Sec-Fetch-* with requests of pages. The responses to such requests may need CORS headers.
OTHER_HEADERS = frozenset(
    {
        *(b"content-encoding", b"transfer-encoding", b"expect", b"upgrade"),
        *(b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"access-control-request-method"),
    }
)


@dataclass(slots=True, eq=False)
class HeadMeaning:
    """The part of a request that its head determines, except its ids. `requests` has a request for each version."""

    route: str
    caller: ApiKey
    wait_s: float
    model_query: str | None
    timeout_s: float | None
    accept: float | None = None
    top: int | None = None
    requests: dict[str, ClassifyRequest] = field(default_factory=dict)

    def request_for(self, model: str, spec: ModelSpec = MNIST_SPEC) -> ClassifyRequest:
        """Return the request for a version that the routes under `/mnist` serve."""
        request = self.requests.get(model)
        if request is None:
            request = self.requests[model] = ClassifyRequest(
                model=model,
                spec=spec,
                top=self.top,
                model_query=self.model_query or "",
                caller=self.caller,
                wait_s=self.wait_s,
                timeout_s=self.timeout_s,
                accept=self.accept if self.route == MNIST_ROUTE else accept_of_version(spec, self.accept),
            )
        return request


@dataclass(slots=True, eq=False)
class Head:
    """A head that the fast path serves. `length` is the length of the body in bytes."""

    url: bytes
    headers: list[RawHeader]
    length: int
    meaning: HeadMeaning
    origin: Origin


class FastHeads:
    """Remembers the meaning of heads, because clients repeat them. The meaning of a head never changes in a process.

    `known` maps the bytes of a head, up to and including the empty line, to the head.
    """

    def __init__(self, settings: Settings, places: PlacesByOperation) -> None:
        """`places` are the parameters of the routes."""
        self.known: dict[bytes, Head] = {}
        self._meanings: dict[tuple[bytes | RawHeader, ...], HeadMeaning] = {}
        self._places = {route: places[f"POST {route}"] or {} for route in PARAMETERS}
        self._access = Access(settings.api_keys)
        self._guard = guard_of(settings)
        self._max_wait_s = settings.sync_wait_s
        self._max_timeout_s = settings.result_ttl_s
        self._max_body_bytes = min(MAX_BODY_BYTES, settings.max_image_bytes)

    def read(self, url: bytes, headers: list[RawHeader]) -> Head | None:
        """Return a head that the parser has read, or None if the request needs the general path.

        The names in `headers` are in lower case.
        """
        length = b""
        origin = NO_ORIGIN
        parts: list[bytes | RawHeader] = [url]
        for header in headers:  # only the length and the ids differ between two requests of a client
            if header[0] == b"content-length":
                length = header[1]
            elif header[0] in ORIGIN_HEADERS:
                origin = origin_of_headers(headers)
            else:
                parts.append(header)
        if not length.isdigit() or not 0 < int(length) <= self._max_body_bytes:
            return None
        key = tuple(parts)
        meaning = self._meanings.get(key)
        if meaning is None:
            meaning = self._examine(url, headers)
            if meaning is None:
                return None
            if len(url) + sum(len(name) + len(value) for name, value in headers) <= MAX_KNOWN_HEAD_BYTES:
                make_room(self._meanings, MAX_KNOWN_HEADS)
                self._meanings[key] = meaning
        return Head(url, headers, int(length), meaning, origin)

    def remember(self, request: bytes, head: Head) -> None:
        """Remember the bytes of a head. `request` has the bytes that were read together, and begins with the head."""
        end = request.find(HEAD_END) + len(HEAD_END)
        whole = request.startswith(b"POST ") and len(request) == end + head.length
        if whole and head.origin is NO_ORIGIN and end <= MAX_KNOWN_HEAD_BYTES:
            make_room(self.known, MAX_KNOWN_LENGTHS)
            self.known[request[:end]] = head

    def _examine(self, url: bytes, headers: Sequence[RawHeader]) -> HeadMeaning | None:
        target = httptools.parse_url(url)
        ref = REF_IN_PATH.fullmatch(target.path)
        route = MNIST_ROUTE if ref is None else VERSION_ROUTE
        if (ref is None and target.path != MNIST_ROUTE.encode()) or target.schema is not None:
            return None
        if not OTHER_HEADERS.isdisjoint(name for name, _ in headers) or self._guard.refusal("POST", headers):
            return None
        fields = Headers(raw=list(headers))
        query = QueryParams(target.query or b"")
        if prefers_async(fields) or not query.keys() <= PARAMETERS[route]:
            return None
        try:
            check_query(query, self._places[route])
            return HeadMeaning(
                route,
                self._access.caller(headers),
                preferred_wait_s(fields, self._max_wait_s),
                query.get("model") if ref is None else ref[1].decode(),
                timeout_parameter(query, self._max_timeout_s),
                accept_parameter(query),
                None if ref is None else top_parameter(query),
            )
        except RequestError:  # the general path refuses the request
            return None


def make_room(known: dict[Any, Any], max_items: int) -> None:
    """Clear `known` if it is full, so that clients cannot fill the memory."""
    if len(known) >= max_items:
        known.clear()
