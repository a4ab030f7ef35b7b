"""Rules for all routes: unknown parameters, wrong methods, slashes at the end, line ends."""

import codecs
import json
import re

import httpx
import pytest

from api.app import ROUTES
from api.routes.openapi.document import OPERATIONS, described_routes
from tests.support.system import System

EXAMPLES = {"index": "7", "id": "j0123456789abcdef", "name": "cnn", "version": "1", "alias": "old", "label": "latest"}
COMPAT = ("/v1/", "/v2")
OPERATIONS_OF_OURS = [each for each in described_routes(ROUTES) if not each[1].startswith(COMPAT)]
STREAMS = {"/results/{id}/events"}
BAR = [0] * 378 + [255] * 28 + [0] * 378  # an image with contrast


def example(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: EXAMPLES.get(found[1], "start.js"), path)


@pytest.mark.parametrize(("method", "path"), OPERATIONS_OF_OURS)
def test_an_unknown_parameter_is_a_422_that_names_the_known_ones(system: System, method: str, path: str) -> None:
    reply = system.http.request(method, example(path), params={"modell": "cnn"}, content=b"not read")
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    detail = reply.json()["detail"]
    assert "no parameter 'modell'" in detail
    names = [each.name for each in OPERATIONS[f"{method} {path}"].parameters if each.place == "query"]
    assert ("did you mean model?" in detail) == ("model" in names)
    assert all(name in detail for name in names or ["no parameters"])


def test_the_compatibility_apis_ignore_unknown_parameters_as_the_originals_do(system: System) -> None:
    for path in ("/v1/models/cnn", "/v2/models/cnn", "/v2"):
        assert system.http.get(path, params={"modell": "cnn"}).status_code == 200


@pytest.mark.parametrize("path", sorted({path for _, path in described_routes(ROUTES)}))
def test_a_wrong_method_is_a_405_with_all_right_ones(system: System, path: str) -> None:
    reply = system.http.request("PUT", example(path))
    if path.startswith("/v1"):  # the original answers so
        assert reply.status_code == 400
        assert reply.json()["error"].startswith("Malformed request: PUT")
        return
    methods = {method for method, other in described_routes(ROUTES) if other == path}
    assert reply.status_code == 405
    assert set(reply.headers["allow"].split(", ")) == methods | ({"HEAD"} if "GET" in methods else set())
    text = reply.json()["error" if path.startswith(COMPAT) else "detail"]
    assert all(method in text for method in methods)


@pytest.mark.parametrize("path", sorted({path for _, path in OPERATIONS_OF_OURS} - {"/"}))
def test_a_slash_at_the_end_leads_to_the_path_without_it(system: System, path: str) -> None:
    """Through a proxy with TLS, another host and a prefix, which only a relative location survives."""
    reply = system.http.get(example(path) + "/?x=1", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a"})
    assert reply.status_code == 307
    assert httpx.URL("https://a.example/prefix" + example(path) + "/").join(reply.headers["location"]) == httpx.URL(
        "https://a.example/prefix" + example(path) + "?x=1"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/mnist/classify/7",
        "/mnist/label/7",
        "/status",
        "/healthz",
        "/readyz",
        "/models",
        "/models/cnn/1",
        "/openapi.json",
        "/nowhere",
        "/mnist/classify/bulk",
        "/v1/models/cnn",
        "/v2/models/cnn",
        "/v2/nowhere",
        "/models/cnn/3/report",
        "/metrics/workers",
    ],
)
def test_json_ends_with_one_line_end(system: System, path: str) -> None:
    """So that the prompt of a terminal is on a line of its own."""
    reply = system.http.get(path)
    assert "json" in reply.headers["content-type"]
    assert reply.content.rstrip(b"\n") + b"\n" == reply.content
    assert int(reply.headers["content-length"]) == len(reply.content)


def test_head_of_a_stream_ends_at_once(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 1})
    for path in ("events", "items"):
        reply = system.http.head(f"/results/{job_id}/{path}", headers={"Accept": "application/x-ndjson"})
        assert (reply.status_code, reply.content) == (200, b"")
    system.finished(job_id)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/cnn:predict", {"instances": [BAR]}),
        ("/v2/models/cnn/infer", {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": BAR}]}),
        ("/models/cnn/aliases/champion", {"version": 999}),
        ("/models/cnn/train", {"epochs": -1}),
    ],
)
def test_a_byte_order_mark_before_json_changes_nothing(system: System, path: str, body: object) -> None:
    text = json.dumps(body).encode()
    plain, marked = (system.http.post(path, content=mark + text) for mark in (b"", codecs.BOM_UTF8))
    assert (plain.status_code, plain.json().keys()) == (marked.status_code, marked.json().keys())
    assert "JSON" not in plain.text + marked.text
