"""The description is complete, valid, and true."""

import re
from pathlib import Path

import pytest

import api
from api.app import ROUTES
from api.routes.openapi.document import OPERATIONS, described_routes, make_document
from tests.support.system import System

SOURCES = [path for path in Path(api.__file__).parent.rglob("*.py") if path.parent.name != "openapi"]


def test_it_is_valid_openapi() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator  # takes half a second

    OpenAPIV31SpecValidator(make_document(ROUTES)).validate()


def test_it_has_every_route_and_no_other() -> None:
    assert sorted(OPERATIONS) == sorted({f"{method} {path}" for method, path in described_routes(ROUTES)})


def test_every_parameter_that_the_code_reads_from_a_query_is_described() -> None:
    read = {
        name
        for source in SOURCES
        for name in re.findall(r"query(?:_params)?(?:\.get\(|, )\"([a-z_]+)\"", source.read_text())
    }
    described = {
        parameter["name"]
        for operations in make_document(ROUTES)["paths"].values()
        for operation in operations.values()
        for parameter in operation["parameters"]
    }
    assert {"model", "wait", "timeout_s", "offset"} <= read <= described


def test_a_route_that_nobody_described_is_an_error() -> None:
    from starlette.routing import Route

    with pytest.raises(KeyError, match="GET /new"):
        make_document([*ROUTES, Route("/new", lambda request: None)])


def test_it_is_served_and_its_page_names_no_other_host(system: System) -> None:
    assert system.http.get("/openapi.json").json()["openapi"] == "3.1.0"
    page = system.http.get("/docs")
    assert "//" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for asset in re.findall(r"docs/[a-z.-]+", page.text):
        assert len(system.http.get(f"/{asset}").content) > 50
    assert system.http.get("/docs/swagger-ui.js").status_code == 404
