"""The fast path of one process: queues a request's image, and answers the request."""

import contextvars
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from api.fast.heads import MAX_KNOWN_HEADS, VERSION_ROUTE, FastHeads, HeadMeaning, make_room
from api.fast.request import FastRequest
from api.http.browsers import headers_without_origin
from api.http.observing import SPAN, STARTED_S, RequestLog
from api.http.request_origin import begin_request, use_result_id
from api.http.responses import JSON_TYPE, json_body, unexpected
from api.http.routing import TEMPLATE
from api.images.levels import has_contrast
from api.images.plain_png import plain_pixels
from api.queue.classify_request import ClassifyRequest
from api.queue.singles.reply import FAILURE, Failure, elapsed_ms, reply_to
from api.state import State
from shared.contract.block import Block
from shared.errors import RequestError

if TYPE_CHECKING:
    from api.http.request_spans import Spans

FAST_PATH = "fast_path"  # key in the state of the ASGI lifespan

ALWAYS_CANARY = 0.0  # a draw that selects every canary

DefaultHeaders = list[tuple[bytes, bytes]]


class FastPath:
    """The fast path of one process."""

    def __init__(self, state: State, heads: FastHeads, log: RequestLog, spans: "Spans | None") -> None:
        self.heads = heads
        self._state = state
        self._log = log
        self._spans = spans
        self._waiting = state.singles.requests
        self._asked: dict[HeadMeaning, ClassifyRequest] = {}  # valid while the next three fields are unchanged
        self._models: object = None
        self._aliases: object = None
        self._formats: object = None
        self._default_headers: DefaultHeaders = []
        self._head_start = ""
        self._head_middle = lines_of(headers_without_origin(state.settings)) + "\r\nx-request-id: "

    def take(self, request: FastRequest) -> bool:
        """Queue the image of a request whose body is complete. Return False if it needs the general path."""
        if self._waiting.full:
            return False
        decoding_s = time.perf_counter()
        pixels = plain_pixels(request.body)
        if pixels is None or not has_contrast(pixels):
            return False
        asked = self._asked_by(request.head.meaning)
        if asked is None:
            return False
        request.pixels, request.asked = pixels, asked
        if self._spans is not None:
            self._begin_span(request)
        state = self._state
        request.queued_s = now_s = time.perf_counter()
        state.metrics.decoded(now_s - decoding_s)
        self._waiting.in_progress += 1
        state.singles.add(request, now_s)
        return True

    def _asked_by(self, meaning: HeadMeaning) -> ClassifyRequest | None:
        """Return what requests with this meaning ask for, or None if they need the general path.

        The result is remembered until models, aliases or the live workers change, unless it depends on chance.
        """
        state = self._state
        models, aliases, formats = state.catalog.models, state.aliases.known, state.workers.formats
        if models is not self._models or aliases is not self._aliases or formats is not self._formats:
            self._models, self._aliases, self._formats = models, aliases, formats
            self._asked.clear()
        asked = self._asked.get(meaning)
        if asked is not None:
            return asked
        query = meaning.model_query
        try:
            model = state.resolve(query)
            spec = state.catalog.known_mnist_spec(model)
            if spec is None or (meaning.route == VERSION_ROUTE and spec.input.resize != "exact"):
                return None  # the general path reads the card, or changes the image
            asked = meaning.request_for(model, spec)
            state.workers.require(asked.formats)
        except RequestError:  # the general path refuses the request
            return None
        if state.version_of(query, ALWAYS_CANARY) == state.version_of(query):
            make_room(self._asked, MAX_KNOWN_HEADS)
            self._asked[meaning] = asked
        return asked

    def answer_all(self, block: Block, images: Sequence[tuple[int, FastRequest]]) -> None:
        """Answer requests with their results in a block, or hand them over with the reasons why they have none.

        All requests of an entry have the same route, because an entry has one kind of reply.
        """
        metrics, log_above_ms = self._state.metrics, self._log.above_ms
        head_start = self._start_of_head(images[0][1].protocol.server_state.default_headers)
        waits_s: list[float] = []
        for position, request in images:
            now_s = time.perf_counter()
            took_ms = elapsed_ms(request.started_s, now_s)
            try:
                body = json_body(reply_to(request.asked, block, position, request.id, took_ms))
            except RequestError as error:
                self.hand_over(request, error)
                continue
            except Exception as error:  # must not affect the other requests of the entry
                self.hand_over(request, unexpected(error))
                continue
            request.ended = True
            request_id = request.origin.request_id or request.id
            end = "\r\n\r\n" if request.keep_alive else "\r\nconnection: close\r\n\r\n"
            head = f"{head_start}{len(body)}{self._head_middle}{request_id}{end}"
            request.protocol.respond(request, head.encode("latin-1") + body)
            waits_s.append(now_s - request.queued_s)
            if request.span is not None:
                request.scope["request_id"] = request_id
                request.span.end(200)
            if took_ms > log_above_ms:
                contextvars.Context().run(self._write_log, request, took_ms)
        if waits_s:
            self._waiting.in_progress -= len(waits_s)
            metrics.answered(waits_s, block.queue_ms, block.model_ms)
            metrics.count_request("POST", images[0][1].head.meaning.route, 200, times=len(waits_s))
            metrics.fast_answers += len(waits_s)

    def hand_over(self, request: FastRequest, error: RequestError) -> None:
        """Let the application answer a request that has failed, and count and log it as it does for all requests."""
        request.ended = True
        self._waiting.in_progress -= 1
        scope = request.scope
        scope[STARTED_S] = request.started_s
        if request.span is not None:
            scope[SPAN] = request.span
        scope[FAILURE] = Failure(error, replace(request.asked, origin=request.origin))
        request.protocol.start_application(request)

    def _start_of_head(self, default_headers: DefaultHeaders) -> str:
        """Return the head of a response up to its length, as uvicorn writes it."""
        if default_headers is not self._default_headers:  # the date has changed
            self._default_headers = default_headers
            lines = [*default_headers, (b"content-type", JSON_TYPE), (b"content-length", b"")]
            self._head_start = "HTTP/1.1 200 OK" + lines_of(lines)
        return self._head_start

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
        scope[TEMPLATE] = request.head.meaning.route


def lines_of(headers: DefaultHeaders) -> str:
    """Return the lines of headers, each after a line end."""
    return b"".join([b"\r\n%b: %b" % header for header in headers]).decode("latin-1")
