"""The operations of the service, each as an exchange (`mnistified.http.exchange`). docs/http.md describes the paths."""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict
from urllib.parse import quote

from mnistified.errors import NotFound
from mnistified.http.exchange import Body, Call, Exchange, Pause, retrying
from mnistified.results import Item, JobState, Result

SUBMIT_TIMEOUT_S = 600.0  # from the last byte of an upload to the answer, in which the service stores the images
MAX_WAIT_S = 20.0  # for a job, per request
ITEMS_PER_PAGE = 2048
FIRST_POLL_S = 0.02  # between two polls of a job whose next item is not final
MAX_POLL_S = 1.0
Routes = dict[str, bool]  # whether the routes under `/mnist` serve a model, by name
MNIST_INPUT = {"height": 28, "width": 28, "channels": 1}  # the default of a card
MAX_MNIST_LABELS = 32
_PLAIN_ID = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
SPARE_S = 30.0  # in addition to the time that the service waits for workers to load an alias's versions


class AliasChange(TypedDict, total=False):
    """The optional fields of a change of an alias. None is the same as a missing field."""

    canary: int | None
    canary_percent: float | None
    shadow: int | None
    reason: str
    force: bool


def classify(image: bytes, query: Mapping[str, str], retries: int, known: Routes) -> Exchange[Result]:
    """Classify an image file. With `fit=digit`, the result has the fitted image."""
    if query.get("fit") == "digit":
        query = {**query, "show": "fitted"}
    body = Body(lambda: iter([image]), size_bytes=len(image))
    path, parameters = yield from route_of(query, "", retries, known)
    reply = yield from retrying(Call("POST", path, parameters, body=body), retries)
    return Result.read(reply.json(), image)


def route_of(query: Mapping[str, str], tail: str, retries: int, known: Routes) -> Exchange[tuple[str, dict[str, str]]]:
    """Return path and query of a classification: the route for any model if the model takes other images than MNIST's.

    `known` remembers the route of each model.
    """
    parameters = dict(query)
    model = parameters.get("model")
    if model is not None and not parameters.keys() & {"resize", "top"} and model not in known:
        known[model] = yield from _is_for_mnist(model, retries)
    if model is None or known.get(model, False) or parameters.get("fit") == "number":
        return f"/mnist/classify{tail}", parameters
    del parameters["model"]
    if parameters.pop("fit", None):
        parameters["resize"] = "digit"
    return f"{_model_path(model)}/classify{tail}", parameters


def _is_for_mnist(model: str, retries: int) -> Exchange[bool]:
    """Return whether the routes under `/mnist` serve a model, as its card says. They refuse an unknown model."""
    name, _, label = model.partition("@")
    try:
        if not label:
            described = yield from get_json(_model_path(name), retries)
            label = str(described.get("serves") or "").partition("@")[2]
        card = yield from get_json(f"{_model_path(name)}/{quote(label, safe='')}", retries)
    except NotFound:
        return True
    given = card.get("input") or {}
    shape = [given.get(name, usual) for name, usual in MNIST_INPUT.items()]
    return shape == list(MNIST_INPUT.values()) and len(card.get("labels") or ()) <= MAX_MNIST_LABELS


def submit(
    body: Body, query: Mapping[str, str], idempotency_key: str, retries: int, known: Routes
) -> Exchange[JobState]:
    """Create a job. Retries use the same idempotency key, so they do not create another job."""
    headers = {"Idempotency-Key": header_id(idempotency_key)}
    try:
        path, parameters = yield from route_of(query, "/bulk", retries, known)
        call = Call("POST", path, parameters, headers, body, SUBMIT_TIMEOUT_S)
        reply = yield from retrying(call, retries)
    finally:
        if body.spool is not None:
            body.spool.close()
    return JobState.read(reply.json())


def header_id(text: str) -> str:
    """Return an id of any text as the value of a header: itself if it is printable ASCII, and else a hash of it."""
    if _PLAIN_ID.fullmatch(text):
        return text
    return "sha256-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_job(job_id: str, wait_s: float, retries: int) -> Exchange[JobState]:
    """Return the state of a job. With `wait_s`, wait until the job is final or the time is up."""
    params = {"wait": f"{wait_s:g}"} if wait_s > 0 else {}
    reply = yield from retrying(Call("GET", _result_path(job_id), params), retries)
    return JobState.read(reply.json())


def wait_for_job(job_id: str, timeout_s: float | None, retries: int) -> Exchange[JobState]:
    """Return the final state of a job. Raises TimeoutError if the job is not final after `timeout_s`."""
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = MAX_WAIT_S if deadline_s is None else deadline_s - time.monotonic()
        state = yield from read_job(job_id, min(max(left_s, 0.0), MAX_WAIT_S), retries)
        if state.final:
            return state
        if left_s <= 0:
            raise TimeoutError(f"{job_id} is {state.state} after {timeout_s:g} s: {state.finished} of {state.total}")


def cancel(job_id: str, retries: int) -> Exchange[JobState]:
    reply = yield from retrying(Call("DELETE", _result_path(job_id)), retries)
    return JobState.read(reply.json())


def get_json(path: str, retries: int) -> Exchange[dict[str, Any]]:
    reply = yield from retrying(Call("GET", path), retries)
    content: dict[str, Any] = reply.json()
    return content


def get_models(retries: int) -> Exchange[dict[str, Any]]:
    """Return the description of each model by name. Services without `/models` list the models in their status."""
    try:
        content = yield from get_json("/models", retries)
    except NotFound:
        content = yield from get_json("/status", retries)
    models = content.get("models", content)
    return {model["name"]: model for model in models} if isinstance(models, list) else dict(models)


def set_alias(
    model: str, alias: str, version: int, change: AliasChange, wait_s: float | None, retries: int
) -> Exchange[dict[str, Any]]:
    """Make the alias refer to `version` and return the change record."""
    content = json.dumps({"version": version} | {name: value for name, value in change.items() if value is not None})
    body = Body(lambda: iter([content.encode()]), "application/json", len(content))
    return _change_alias("POST", model, alias, {}, body, wait_s, retries)


def delete_alias(model: str, alias: str, reason: str, wait_s: float | None, retries: int) -> Exchange[dict[str, Any]]:
    return _change_alias("DELETE", model, alias, {"reason": reason} if reason else {}, None, wait_s, retries)


def _change_alias(
    method: str, model: str, alias: str, query: dict[str, str], body: Body | None, wait_s: float | None, retries: int
) -> Exchange[dict[str, Any]]:
    path = f"{_model_path(model)}/aliases/{quote(alias, safe='')}"
    timeout_s = None
    if wait_s is not None:
        query, timeout_s = {**query, "wait": f"{wait_s:g}"}, max(wait_s, 0.0) + SPARE_S
    reply = yield from retrying(Call(method, path, query, body=body, timeout_s=timeout_s), retries)
    change: dict[str, Any] = reply.json()
    return change


def alias_changes(model: str, limit: int, retries: int) -> Exchange[list[dict[str, Any]]]:
    reply = yield from retrying(Call("GET", f"{_model_path(model)}/changes", {"limit": str(limit)}), retries)
    changes: list[dict[str, Any]] = reply.json()["changes"]
    return changes


def get_test_image(index: int, retries: int) -> Exchange[tuple[bytes, int, str]]:
    """Return a test image as (PNG file, label, name of the dataset)."""
    image = yield from retrying(Call("GET", f"/mnist/image/{index}", headers={"Accept": "image/png"}), retries)
    label = yield from get_json(f"/mnist/label/{index}", retries)
    return image.content, label["label"], image.headers.get("x-dataset", "unknown")


class Pages:
    """The items of a job in input order, page by page from item `start` on."""

    def __init__(self, job_id: str, start: int, retries: int) -> None:
        self._path = f"{_result_path(job_id)}/items"
        self._retries = retries
        self._offset = start
        self._poll_s = 0.0  # pause before the next poll; 0 if the last one returned items
        self.ended = False

    def next_page(self) -> Exchange[list[Item]]:
        """Return the next final items, an empty list if there are none yet. Sets `ended` after the last items."""
        if self._poll_s:
            yield Pause(self._poll_s)
        limit = 1 if self._poll_s else ITEMS_PER_PAGE
        params = {"offset": str(self._offset), "limit": str(limit)}
        reply = yield from retrying(Call("GET", self._path, params), self._retries)
        page = reply.json()
        items = _final(page["items"])
        self.ended = len(items) == len(page["items"]) and page.get("next") is None
        self._offset += len(items)
        self._poll_s = 0.0 if items else min(MAX_POLL_S, max(FIRST_POLL_S, self._poll_s * 1.5))
        return items


def _final(items: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Return the items before the first one that is still queued."""
    final: list[Item] = []
    for item in items:
        if item["state"] == "queued":
            break
        final.append(Item.read(item))
    return final


def _result_path(result_id: str) -> str:
    return f"/results/{quote(result_id, safe='')}"


def _model_path(model: str) -> str:
    return f"/models/{quote(model, safe='')}"
