"""The page's files: served as they are, allowed no more than they need, and part of the package."""

import re
from pathlib import Path

import pytest

import api
from api.app import ROUTES
from api.page.routes import MEDIA_TYPES, assets
from tests.support.system import System

FOLDER = Path(api.__file__).parent / "page/assets"
FILES = sorted(path.name for path in FOLDER.iterdir())
IMPORT = re.compile(r"""^(?:import|export) .*?from "(.+?)";""", re.MULTILINE)
OTHER_HOST = re.compile(r"https?://|\b//[a-z]")
NAMESPACE = "http://www.w3.org/2000/svg"


def text_of(name: str) -> str:
    return (FOLDER / name).read_text()


def test_the_page_is_served_at_the_root_and_all_that_it_is_made_of(system: System) -> None:
    assert system.http.get("/").text == text_of("index.html")
    assert sorted(assets()) == FILES
    for name in FILES:
        reply = system.http.get(f"/page/{name}")
        assert reply.content == (FOLDER / name).read_bytes()
        assert reply.headers["content-type"] == MEDIA_TYPES["." + name.rpartition(".")[2]]
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/page/nothing.js", "/page/..%2Fapp.py", "/page/../app.py", "/page/"])
def test_nothing_else_is(system: System, path: str) -> None:
    assert system.http.get(path).status_code == 404


def test_a_browser_that_holds_it_is_not_sent_it_again(system: System) -> None:
    for path in ("/", "/page/main.js"):
        first = system.http.get(path)
        assert "no-cache" in first.headers["cache-control"]
        assert system.http.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_its_policy_allows_nothing_inline_and_no_other_host(system: System) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in system.http.get("/").headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' blob: data:"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"


def test_the_markup_needs_no_more_than_that() -> None:
    page = text_of("index.html")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host_or_one_that_is_not_there(name: str) -> None:
    text = text_of(name)
    assert not OTHER_HOST.search(text.replace(NAMESPACE, ""))
    if name.endswith(".js"):
        assert {path.removeprefix("./") for path in IMPORT.findall(text)} <= set(FILES)
        assert "innerHTML" not in text
    if name.endswith(".html"):
        assert set(re.findall(r'"page/([^"]+)"', text)) <= set(FILES)


def test_every_file_is_used() -> None:
    used = set(re.findall(r'"page/([^"]+)"', text_of("index.html"))) | {"index.html"}
    while True:
        more = {
            path.removeprefix("./") for name in used if name.endswith(".js") for path in IMPORT.findall(text_of(name))
        }
        if more <= used:
            break
        used |= more
    assert used == set(FILES)


def test_every_element_that_a_script_asks_for_by_its_id_is_in_the_page() -> None:
    asked = {name for file in FILES if file.endswith(".js") for name in re.findall(r'byId\("([^"]+)"\)', text_of(file))}
    ids = re.findall(r'\sid="([^"]+)"', text_of("index.html"))
    assert len(asked) > 20
    assert asked <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_path_that_a_script_asks_for_is_a_route() -> None:
    texts = "".join(text_of(file) for file in FILES if file.endswith(".js"))
    asked = set(re.findall(r'["`]((?:mnist|results|models)/[^"`?]+|status)["`?]', texts))
    assert {"status", "mnist/labels"} <= asked
    routes = [re.sub(r"\{[a-z]+\}", "[^/]+", route.path) for route in ROUTES]
    for path in asked:
        concrete = "/" + re.sub(r"\$\{[^}]+\}", "1", path)
        assert any(re.fullmatch(route, concrete) for route in routes), path
