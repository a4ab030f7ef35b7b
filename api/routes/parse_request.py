"""Parsing of a classification request: its query, its headers and its API key."""

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.types import Scope

from api.http.access import caller_of
from api.http.parameters import (
    accept_parameter,
    callback_parameter,
    preferred_wait_s,
    timeout_parameter,
    verbose_parameter,
)
from api.http.request_origin import origin_with_id
from api.queue.classify_request import ClassifyRequest
from api.routes.fit_options import fit_parameter, show_parameter
from api.state import State
from shared.contract.entry import THRESHOLD_OF_CARD
from shared.errors import BadParameter


def parse_single(state: State, scope: Scope, headers: Headers, as_job: bool) -> ClassifyRequest:
    """Read a request for one image. Raises NotFound or BadParameter."""
    caller, wait_s = caller_of(scope), preferred_wait_s(headers, state.settings.sync_wait_s)
    origin = origin_with_id(scope) if as_job else scope["origin"]
    if not scope["query_string"]:  # the fast path
        return ClassifyRequest(model=state.resolve(None), caller=caller, origin=origin, wait_s=wait_s)
    query = QueryParams(scope["query_string"])
    fit, show = fit_parameter(query), show_parameter(query)
    if show and as_job:
        raise BadParameter("show=fitted is not possible with Prefer: respond-async")
    return ClassifyRequest(
        model=state.resolve(query.get("model")),
        model_query=query.get("model", ""),
        caller=caller,
        origin=origin,
        wait_s=wait_s,
        timeout_s=timeout_parameter(query, state.settings.result_ttl_s),
        maps=verbose_parameter(query),
        fit=fit,
        accept=_accept(query, fit),
        show=show,
    )


def parse_bulk(state: State, request: Request) -> ClassifyRequest:
    """Read a request for a job of many images. Raises NotFound or BadParameter."""
    query = request.query_params
    if verbose_parameter(query) is not None:
        raise BadParameter("verbose=1 is for one image: POST /mnist/classify, or GET /mnist/classify/{index}")
    if show_parameter(query):
        raise BadParameter("show=fitted is for one image; a job's results have no pictures")
    fit = fit_parameter(query)
    return ClassifyRequest(
        model=state.resolve(query.get("model")),
        model_query=query.get("model", ""),
        caller=caller_of(request.scope),
        origin=origin_with_id(request.scope),
        lane="bulk",
        timeout_s=timeout_parameter(query, state.settings.result_ttl_s),
        fit=fit,
        accept=_accept(query, fit),
        callback_url=callback_parameter(query, state.settings),
    )


def compat_request(state: State, request: Request, model: str, timeout_s: float | None = None) -> ClassifyRequest:
    """Return a request of a compatibility API, whose model and timeout were read from its path and its body."""
    return ClassifyRequest(
        model=model,
        caller=caller_of(request.scope),
        origin=origin_with_id(request.scope),
        wait_s=state.settings.sync_wait_s,
        timeout_s=timeout_s,
    )


def _accept(query: QueryParams, fit: bool) -> float | None:
    """Return the threshold of scores. Fitted pictures may show anything, so they are judged by the version's rule."""
    accept = accept_parameter(query)
    return THRESHOLD_OF_CARD if accept is None and fit else accept
