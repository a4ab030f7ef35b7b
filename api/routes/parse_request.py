"""Parsing of a classification request: its query, its headers and its API key."""

import logging

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
from api.queue.classify_request import ClassifyRequest, Fit
from api.routes.fit.parameters import among_parameter, fit_parameter, require_number_reader, show_parameter
from api.state import State
from shared.contract.entry import THRESHOLD_OF_CARD
from shared.contract.model_spec import MAX_DENSE_LABELS, MAX_TOP, MNIST_SPEC, ModelSpec
from shared.errors import BadImage, BadParameter, ModelError, Unavailable
from shared.shapes import NUMBER_MODEL

logger = logging.getLogger(__name__)


async def parse_single(state: State, scope: Scope, headers: Headers, as_job: bool) -> ClassifyRequest:
    """Read a request of MNIST's routes for one image. Raises NotFound, BadImage or BadParameter."""
    caller, wait_s = caller_of(scope), preferred_wait_s(headers, state.settings.sync_wait_s)
    origin = origin_with_id(scope) if as_job else scope["origin"]
    if not scope["query_string"]:  # everything has its default
        model = state.resolve(None)
        spec = await mnist_spec(state, model)
        return ClassifyRequest(model=model, spec=spec, caller=caller, origin=origin, wait_s=wait_s)
    query = QueryParams(scope["query_string"])
    fit, show = fit_parameter(query), show_parameter(query)
    if show and as_job:
        raise BadParameter("show=fitted is not possible with Prefer: respond-async")
    maps = verbose_parameter(query)
    if fit == "number":
        if maps is not None:
            raise BadParameter("verbose=1 shows the layers for one digit, so it is not possible with fit=number")
        origin = origin_with_id(scope)
    model, spec = await _version(state, query, fit)
    return ClassifyRequest(
        model=model,
        spec=spec,
        model_query=query.get("model", ""),
        caller=caller,
        origin=origin,
        wait_s=wait_s,
        timeout_s=timeout_parameter(query, state.settings.result_ttl_s),
        maps=maps,
        fit=fit,
        roster=among_parameter(query),
        accept=_accept(query, fit),
        show=show,
    )


async def parse_bulk(state: State, request: Request) -> ClassifyRequest:
    """Read a request of MNIST's routes for a job of many images. Raises NotFound, BadImage or BadParameter."""
    query = request.query_params
    refuse_verbose(query)
    if show_parameter(query):
        raise BadParameter("show=fitted is for one image; a job's results have no pictures")
    fit = fit_parameter(query)
    model, spec = await _version(state, query, fit)
    return ClassifyRequest(
        model=model,
        spec=spec,
        model_query=query.get("model", ""),
        caller=caller_of(request.scope),
        origin=origin_with_id(request.scope),
        lane="bulk",
        timeout_s=timeout_parameter(query, state.settings.result_ttl_s),
        fit=fit,
        roster=among_parameter(query),
        accept=_accept(query, fit),
        callback_url=callback_parameter(query, state.settings),
    )


async def _version(state: State, query: QueryParams, fit: Fit) -> tuple[str, ModelSpec]:
    """Return the `name@version` that the query asks for, and its spec. Numbers have a model of their own."""
    if fit != "number":
        model = state.resolve(query.get("model"))
        return model, await mnist_spec(state, model)
    model = state.resolve(query.get("model", NUMBER_MODEL))
    spec = await spec_of_version(state, model)
    require_number_reader(spec, model)
    return model, spec


def refuse_verbose(query: QueryParams) -> None:
    """Raise BadParameter for `verbose=1` of a job."""
    if verbose_parameter(query) is not None:
        raise BadParameter("verbose=1 is for one image: POST /mnist/classify, or GET /mnist/classify/{index}")


async def spec_of_version(state: State, model: str) -> ModelSpec:
    """Return the spec of `name@version`. Raises Unavailable if its card cannot be used."""
    try:
        return await state.catalog.spec(model)
    except (ModelError, OSError) as error:
        raise Unavailable(f"{model} cannot be used: {error}", "versions") from None


async def mnist_spec(state: State, model: str) -> ModelSpec:
    """Return the spec of a version that the routes under `/mnist` serve. Raises BadImage for images of another shape.

    If the card cannot be read, the workers decide, which may have the version.
    """
    spec = state.catalog.known_mnist_spec(model)
    if spec is not None:
        return spec
    try:
        spec = await state.catalog.spec(model)
    except (ModelError, OSError) as error:
        logger.warning("the card of %s: %s", model, error)
        return MNIST_SPEC
    if not spec.is_mnist_shaped:
        raise BadImage(
            f"{model} takes {spec.images} and has {len(spec.labels)} labels: "
            f"use /models/{model}/classify, or /models/{model}/classify/bulk for many images"
        )
    return spec


def compat_request(
    state: State, request: Request, model: str, spec: ModelSpec, timeout_s: float | None = None
) -> ClassifyRequest:
    """Return a request of a compatibility API, whose model and timeout were read from its path and its body.

    Of more than MAX_DENSE_LABELS labels, only the probabilities of the MAX_TOP best are kept.
    """
    return ClassifyRequest(
        model=model,
        spec=spec,
        top=MAX_TOP if len(spec.labels) > MAX_DENSE_LABELS else None,
        caller=caller_of(request.scope),
        origin=origin_with_id(request.scope),
        wait_s=state.settings.sync_wait_s,
        timeout_s=timeout_s,
    )


def _accept(query: QueryParams, fit: Fit) -> float | None:
    """Return the threshold of scores. Fitted pictures may show anything, so they are judged by the version's rule."""
    accept = accept_parameter(query)
    return THRESHOLD_OF_CARD if accept is None and fit else accept
