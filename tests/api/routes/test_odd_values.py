"""Numbers and names that no client should send: the answer is a 4xx or a correct one, and never a 500."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from api.app import ROUTES
from tests.support.system import System

LONG = "9" * 5000  # Python refuses to convert more than 4,300 digits
TEXTS = (LONG, "0" * 5000 + "1", "-1", "٣", "²", "1.0", "1e400", "NaN", "Infinity", "18446744073709551616", "a" * 5000)
NAMES = (*TEXTS, "\0", b"\xff", b"\xed\xa0\x80", "..", "@", f"cnn@{LONG}", "\n", "%")
NUMBERS = (
    LONG[:4000],
    LONG,
    f"-{LONG}",
    "-1",
    "1e400",
    "1e-400",
    "NaN",
    "-Infinity",
    "1.5",
    "true",
    "null",
    '"1"',
    "[1]",
    "{}",
)
GOOD = {
    "index": "0",
    "id": "none",
    "name": "cnn",
    "version": "1",
    "label": "none",
    "alias": "none",
    "asset": "none",
    "rest": "none",
}
PARAMETERS = re.compile(r"{(\w+)(?::\w+)?}")
PIXELS = "0," * 783
IMAGES = (
    '{"name": "images", "datatype": "%s", "shape": [%s, 784], "parameters": {"binary_data_size": %s}, "data": [%s]}'
)
BODIES = {
    "/mnist/classify/bulk": ('{"start": %s}', '{"stop": %s}'),
    "/models/cnn/aliases/none": (
        '{"version": %s}',
        '{"version": 9, "canary": %s, "canary_percent": 1}',
        '{"version": 9, "canary": 1, "canary_percent": %s}',
        '{"version": 9, "shadow": %s}',
    ),
    "/models/cnn/train": tuple(f'{{"{name}": %s, "promote": ""}}' for name in ("epochs", "seed", "floor")),
    "/v1/models/cnn:predict": ('{"instances": [%s]}', '{"inputs": %s}', f'{{"instances": [[{PIXELS}%s]]}}'),
    "/v2/models/cnn/infer": (
        *(f'{{"inputs": [{IMAGES % (kind, 1, -1, PIXELS)}%s]}}' for kind in ("UINT8", "INT64", "FP16", "FP64")),
        *(f'{{"parameters": {{"{name}": %s}}, "inputs": []}}' for name in ("timeout", "priority")),
    ),
    "/v2/repository/index": ('{"ready": %s}',),
}  # fmt: skip


def filled(path: str, name: str, value: str | bytes) -> str:
    return PARAMETERS.sub(lambda found: quote(value if found[1] == name else GOOD[found[1]], safe=""), path)


def paths() -> Iterator[tuple[str, str]]:
    """Yield method and path: every parameter of every route with every odd name."""
    for route in ROUTES:
        method = min((route.methods or {"GET"}) - {"HEAD"})
        for found in PARAMETERS.finditer(route.path):
            for value in NAMES:
                yield method, filled(route.path, found[1], value)


def test_no_odd_name_in_a_path_is_a_500(system: System) -> None:
    asked = [(system.http.request(*each).status_code, each) for each in paths()]
    assert [each for status, each in asked if status >= 500] == []


@pytest.mark.parametrize("name", ["limit", "offset", "wait", "model", "maps", "callback_url", "columns", "start"])
def test_no_odd_value_of_a_parameter_is_a_500(system: System, name: str) -> None:
    for path in (
        "/mnist/classify/0",
        "/mnist/sheet",
        "/mnist/labels",
        "/models/cnn/changes",
        "/dead-letters",
        "/results/none/items",
    ):
        for value in TEXTS:
            assert system.http.get(path, params={name: value}).status_code < 500, (path, value)


@pytest.mark.parametrize("path", BODIES)
def test_no_odd_number_in_json_is_a_500(system: System, path: str) -> None:
    for body in BODIES[path]:
        for number in NUMBERS:
            reply = system.http.post(path, content=body % number, headers={"Content-Type": "application/json"})
            assert reply.status_code < 500, (body, number[:20])


@pytest.mark.parametrize(
    "name", ["Inference-Header-Content-Length", "Prefer", "Accept", "Last-Event-ID", "Accept-Encoding"]
)
def test_no_odd_number_in_a_header_is_a_500(system: System, name: str) -> None:
    for path in ("/v2/models/cnn/infer", "/v1/models/cnn:predict", "/mnist/classify"):
        for text in TEXTS:
            for value in (text, f"wait={text}", f"application/json;q={text}"):
                reply = system.http.post(path, content=b"{}", headers=[(name.encode(), value.encode("utf-8"))])
                assert 400 <= reply.status_code < 500, (path, value[:30])


@pytest.mark.parametrize("version", [LONG, "0" * 5000, "0", "٣", "999999999", "1" + "0" * 9])
@pytest.mark.parametrize("tail", ["", "/metadata", ":predict"])
def test_a_version_that_cannot_be_is_not_found(system: System, version: str, tail: str) -> None:
    path = f"/v1/models/cnn/versions/{version}{tail}"
    assert system.http.request("POST" if tail == ":predict" else "GET", path, content=b"{}").status_code == 404
    assert system.http.get(f"/v2/models/cnn/versions/{version}").status_code == 404
    assert system.http.get(f"/models/cnn/{version}").status_code == 404


def test_zeros_before_a_version_do_not_change_it(system: System) -> None:
    assert system.http.get("/v1/models/cnn/versions/001").json() == system.http.get("/v1/models/cnn/versions/1").json()
