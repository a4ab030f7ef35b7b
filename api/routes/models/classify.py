"""`POST /models/{ref}/classify` and `/models/{ref}/classify/bulk`: classification by any version, with its labels."""

import time
from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import Response

from api.http.access import caller_of
from api.http.bodies import read_body
from api.http.parameters import (
    accept_parameter,
    callback_parameter,
    preferred_wait_s,
    prefers_async,
    timeout_parameter,
    top_parameter,
    verbose_parameter,
)
from api.http.request_origin import origin_with_id
from api.http.responses import Json
from api.queue.classify_request import ClassifyRequest, accept_of_version
from api.queue.singles.reply import FAILURE
from api.routes.bulk import accept_upload, check_length
from api.routes.classify import accept_single, classify_single, fail_single, image_in
from api.routes.fit.readers import shaped_reader
from api.routes.parse_request import refuse_verbose, spec_of_version
from api.state import State, state_of
from api.uploads import Limits
from api.uploads.arrays import as_they_are, without_faint_images
from shared.contract.lane import Lane
from shared.contract.model_spec import Resize
from shared.errors import BadParameter
from shared.shapes import MNIST_SHAPE


async def classify_image(request: Request) -> Response:
    """Classify the image in the body. With `Prefer: respond-async`, return 202 with the id of a job of one image."""
    started_s = time.perf_counter()
    state, headers = state_of(request), request.headers
    if (failure := request.scope.get(FAILURE)) is not None:  # the fast path has waited for the answer
        await fail_single(state, request.scope, *failure)
    as_job = prefers_async(headers)
    if not as_job:
        await state.singles.require_room()
    with state.bodies.held() as held:
        body = await read_body(request.receive, state.settings.max_image_bytes, held=held)
        asked = await _parse(state, request, "interactive")
        if asked.show and as_job:
            raise BadParameter("show=fitted is not possible with Prefer: respond-async")
        body = await image_in(state, headers, body)
        pixels = await state.decoder.shape(body, asked.spec.shape, asked.resize)
        del body
    if as_job:
        return await accept_single(state, headers, asked, pixels)
    return Json(await classify_single(state, asked, pixels, request.scope, request.receive, started_s))


async def classify_images(request: Request) -> Response:
    """Return 202 with the job's id once all of its images are in Redis."""
    state = state_of(request)
    refuse_verbose(request.query_params)
    asked = await _parse(state, request, "bulk")
    if asked.show:
        raise BadParameter("show=fitted is for one image; a job's results have no pictures")
    limits = Limits.of(state.settings, asked.spec.shape)
    check_length(request.headers.get("content-length", ""), limits.upload_bytes)
    read = shaped_reader(asked.spec.shape, asked.resize, state.settings.max_fit_pixels, state.pixel_budget)
    read_array = without_faint_images if asked.spec.shape == MNIST_SHAPE else as_they_are
    return await accept_upload(request, asked, limits, read, read_array)


async def _parse(state: State, request: Request, lane: Lane) -> ClassifyRequest:
    """Read everything but the images. Raises NotFound, BadParameter or Unavailable."""
    query, model_query = request.query_params, request.path_params["ref"]
    model = state.resolve(model_query)
    spec = await spec_of_version(state, model)
    single = lane == "interactive"
    return ClassifyRequest(
        model=model,
        spec=spec,
        resize=_resize_parameter(query.get("resize"), spec.input.resize, spec.shape[2]),
        top=top_parameter(query),
        accept=accept_of_version(spec, accept_parameter(query)),
        model_query=model_query,
        caller=caller_of(request.scope),
        origin=request.scope["origin"]
        if single and not prefers_async(request.headers)
        else origin_with_id(request.scope),
        lane=lane,
        wait_s=preferred_wait_s(request.headers, state.settings.sync_wait_s) if single else 0.0,
        timeout_s=timeout_parameter(query, state.settings.result_ttl_s),
        maps=verbose_parameter(query) if single else None,
        show=_show_parameter(query.get("show")),
        callback_url=None if single else callback_parameter(query, state.settings),
    )


def _resize_parameter(text: str | None, of_card: Resize, channels: int) -> Resize:
    if text is None:
        return of_card
    if text not in get_args(Resize):
        raise BadParameter(f"resize {text!r} is not one of {', '.join(get_args(Resize))}")
    if text == "digit" and channels != 1:
        raise BadParameter("resize=digit makes grey images, and this version takes images in colour")
    return cast(Resize, text)


def _show_parameter(text: str | None) -> bool:
    if text not in (None, "fitted"):
        raise BadParameter(f"show {text!r} is not supported, expected show=fitted")
    return text is not None
