"""The fast path of one process: queues a request's image, and answers the request."""

import contextvars
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from api.fast.heads import FastHeads
from api.fast.request import FastRequest
from api.http.browsers import headers_without_origin
from api.http.observing import SPAN, STARTED_S, RequestLog
from api.http.request_origin import begin_request, use_result_id
from api.http.responses import JSON_TYPE, json_body, unexpected
from api.http.routing import TEMPLATE
from api.queue.singles.reply import FAILURE, Failure, elapsed_ms, single_reply
from api.state import State
from shared.contract.block import Block
from shared.errors import RequestError

if TYPE_CHECKING:
    from api.http.request_spans import Spans

FAST_PATH = "fast_path"  # key in the state of the ASGI lifespan

ALWAYS_CANARY = 0.0  # a draw that selects every canary

DefaultHeaders = list[tuple[bytes, bytes]]


class FastPath:
    """The fast path of one process, which serves POST on the path of `heads`."""

    def __init__(self, state: State, heads: FastHeads, log: RequestLog, spans: "Spans | None") -> None:
        self.heads = heads
        self._state = state
        self._log = log
        self._spans = spans
        self._waiting = state.singles.requests
        self._models: Mapping[str, Sequence[int]] = {}
        self._aliases: object = None
        self._versions: dict[str | None, str] = {}  # by the text of `?model=`
        self._default_headers: DefaultHeaders = []
        self._head_start = b""
        self._head_middle = b"\r\n" + b"".join(
            [b"%b: %b\r\n" % line for line in headers_without_origin(state.settings)]
        )

    def take(self, request: FastRequest) -> bool:
        """Queue the image of a request whose body is complete. Return False if it needs the general path."""
        state = self._state
        if self._waiting.full:
            return False
        pixels = state.decoder.decode_plain(request.body)
        if pixels is None:
            return False
        try:
            state.workers.require()
            model = self._version(request.head.meaning.model_query)
        except RequestError:
            return False
        spec = state.catalog.known_mnist_spec(model)
        if spec is None:  # the general path reads the card
            return False
        request.pixels = pixels
        request.request = request.head.meaning.request_for(model, spec)
        if self._spans is not None:
            self._begin_span(request)
        request.queued_s = time.perf_counter()
        self._waiting.in_progress += 1
        state.singles.add(request)
        return True

    def _version(self, query: str | None) -> str:
        """Do what `State.resolve` does, and remember versions that do not depend on chance until something changes."""
        state = self._state
        models, aliases = state.catalog.models, state.aliases.table
        if models is not self._models or aliases is not self._aliases:
            self._models, self._aliases, self._versions = models, aliases, {}
        version = self._versions.get(query)
        if version is None:
            version = state.resolve(query)
            if state.meaning(query, ALWAYS_CANARY) == state.meaning(query):
                self._versions[query] = version
        return version

    def answer(self, request: FastRequest, block: Block, position: int) -> None:
        """Answer a request with a result, or hand it over with the reason why it has none."""
        try:
            body = json_body(single_reply(block, position, request.id, elapsed_ms(request.started_s)))
        except RequestError as error:
            self.hand_over(request, error)
            return
        except Exception as error:  # must not affect the other requests of the entry
            self.hand_over(request, unexpected(error))
            return
        request.ended = True
        self._waiting.in_progress -= 1
        request.protocol.respond(request, self._head(request, len(body)) + body)
        now_s = time.perf_counter()
        metrics = self._state.metrics
        metrics.answered(now_s - request.queued_s, block.queue_ms, block.model_ms)
        metrics.count_request("POST", self.heads.path, 200)
        metrics.fast_answers += 1
        if request.span is not None:
            request.scope["request_id"] = request.origin.request_id or request.id
            request.span.end(200)
        took_ms = (now_s - request.started_s) * 1e3
        if self._log.wants(200, took_ms):
            contextvars.Context().run(self._write_log, request, took_ms)

    def hand_over(self, request: FastRequest, error: RequestError) -> None:
        """Let the application answer a request that has failed, and count and log it as it does for all requests."""
        request.ended = True
        self._waiting.in_progress -= 1
        scope = request.scope
        scope[STARTED_S] = request.started_s
        if request.span is not None:
            scope[SPAN] = request.span
        scope[FAILURE] = Failure(error, replace(request.request, origin=request.origin))
        request.protocol.start_application(request)

    def _head(self, request: FastRequest, length: int) -> bytes:
        """Return the head of a response, as uvicorn writes it."""
        default_headers = request.protocol.server_state.default_headers
        if default_headers is not self._default_headers:  # the date has changed
            self._default_headers = default_headers
            lines = [*default_headers, (b"content-type", JSON_TYPE), (b"content-length", b"")]
            self._head_start = b"HTTP/1.1 200 OK" + b"".join([b"\r\n%b: %b" % line for line in lines])
        request_id = (request.origin.request_id or request.id).encode()
        end = b"\r\n\r\n" if request.keep_alive else b"\r\nconnection: close\r\n\r\n"
        return b"%b%d%bx-request-id: %b%b" % (self._head_start, length, self._head_middle, request_id, end)

    def _write_log(self, request: FastRequest, took_ms: float) -> None:
        """Log a slow request, or any with LOG_LEVEL=debug. The log line takes its ids from the current context."""
        scope = request.scope
        begin_request(scope)
        use_result_id(scope, request.id)
        self._log.write(scope, 200, took_ms)

    def _begin_span(self, request: FastRequest) -> None:
        assert self._spans is not None, "the caller has checked it"
        scope = request.scope
        request.span = self._spans.begin(scope, request.started_s)
        request.origin = scope["origin"]
        scope[TEMPLATE] = self.heads.path
