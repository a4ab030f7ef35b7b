"""`GET /models…` of a real API, without workers."""

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from shared.contract.alias import ALIAS_CODEC, Alias
from shared.redis import keys
from tests.support.processes import pause
from tests.support.registries import FAILURE, copy_version
from tests.support.system import RedisServer, System, running

ALIAS = {"version": 1, "canary": 2, "canary_percent": 5.0, "shadow": None}


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cnn` with a version that passed the gate, one that failed and one without a report; and `other`."""
    models_dir = tmp_path_factory.mktemp("models")
    (copy_version(models_dir, 1) / "report.html").write_text("<h1>cnn@1</h1>")
    copy_version(models_dir, 2, passed=False)
    copy_version(models_dir, 3, passed=None)
    copy_version(models_dir, 1, name="other")
    return models_dir


@pytest.fixture(scope="module")
def api(redis_server: RedisServer, models_dir: Path) -> Iterator[System]:
    """An API that knows an alias."""
    with running(redis_server.new_url(), 0, {"MODELS_DIR": str(models_dir)}, api_in_thread=True) as system:
        system.redis.hset(keys.ALIASES, "cnn/champion", ALIAS_CODEC.encode(Alias(1, canary=2, canary_percent=5)))
        system.redis.publish(keys.ALIASES_CHANNEL, "cnn/champion")
        while system.http.get("/models/cnn").json()["serves"] != "cnn@1":
            pause()
        yield system


def test_every_model_is_listed_with_what_its_name_means(api: System) -> None:
    content = api.http.get("/models").json()
    assert content["default"] == "cnn@1"
    cnn, other = content["models"]
    assert cnn | {"shadows": []} == api.http.get("/models/cnn").json()
    assert cnn == {
        "name": "cnn",
        "versions": [1, 2, 3],
        "latest": 3,
        "serves": "cnn@1",
        "aliases": {"champion": ALIAS},
        "links": {
            "self": "/models/cnn",
            "versions": {"1": "/models/cnn/1", "2": "/models/cnn/2", "3": "/models/cnn/3"},
            "aliases": "/models/cnn/aliases",
            "changes": "/models/cnn/changes",
        },
    }
    assert (other["name"], other["serves"], other["aliases"]) == ("other", "other@1", {})


def test_aliases_are_listed(api: System) -> None:
    assert api.http.get("/models/cnn/aliases").json()["aliases"] == {"champion": ALIAS}
    assert api.http.get("/models/other/aliases").json()["aliases"] == {}
    assert api.http.get("/status").json()["aliases"] == {"cnn": {"champion": ALIAS}}


def test_the_status_shows_the_version_that_the_default_model_means_now(api: System) -> None:
    model = api.http.get("/status").json()["model"]
    assert (model["name"], model["version"]) == ("cnn", 1)
    assert model["layers"]
    assert model["accuracy"]


@pytest.mark.parametrize(
    ("version", "number", "report", "aliases"),
    [
        ("1", 1, {"passed": True, "failures": []}, ["champion"]),
        ("2", 2, {"passed": False, "failures": [FAILURE]}, ["champion"]),
        ("3", 3, None, []),
        ("latest", 3, None, []),
        ("champion", 1, {"passed": True, "failures": []}, ["champion"]),
    ],
)
def test_a_version_is_shown_by_its_card_and_what_the_gate_found(
    api: System, models_dir: Path, version: str, number: int, report: object, aliases: list[str]
) -> None:
    content = api.http.get(f"/models/cnn/{version}").json()
    assert content["report"] == report
    assert content["aliases"] == aliases
    assert content["links"]["self"] == f"/models/cnn/{number}"
    assert ("report" in content["links"]) == (report is not None)
    card = orjson.loads((models_dir / "cnn" / str(number) / "model.json").read_bytes())
    assert {field: content[field] for field in card} == card


@pytest.mark.parametrize(
    "path",
    ["/models/no", "/models/no/1", "/models/cnn/4", "/models/cnn/next", "/models/no/aliases", "/models/no/changes"],
)
def test_an_unknown_model_or_version_is_not_found_and_the_error_lists_the_known_ones(api: System, path: str) -> None:
    reply = api.http.get(path)
    assert reply.status_code == 404
    assert re.search(r"the models are .*cnn|its versions are 1, 2|available: 1, 2", reply.json()["detail"])


def test_a_report_is_json_unless_a_page_is_preferred(api: System) -> None:
    report = api.http.get("/models/cnn/1/report")
    assert report.headers["content-type"] == "application/json"
    assert report.json()["passed"] is True
    page = api.http.get("/models/cnn/1/report", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text == "<h1>cnn@1</h1>"
    assert (report.headers["vary"], page.headers["vary"]) == ("Accept", "Accept")


def test_a_page_may_show_and_do_nothing(api: System) -> None:
    headers = api.http.get("/models/cnn/1/report", headers={"Accept": "text/html"}).headers
    policy = [part.strip() for part in headers["content-security-policy"].split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert not any(part.startswith("script-src") for part in policy)
    assert headers["x-content-type-options"] == "nosniff"


def test_a_report_without_a_page_is_json_for_everyone(api: System) -> None:
    report = api.http.get("/models/cnn/2/report", headers={"Accept": "text/html"})
    assert report.headers["content-type"] == "application/json"


def test_a_version_without_a_report_says_so(api: System) -> None:
    reply = api.http.get("/models/cnn/3/report")
    assert reply.status_code == 404
    assert "not passed through the quality gate" in reply.json()["detail"]


def test_a_version_that_appears_is_found(api: System, models_dir: Path) -> None:
    copy_version(models_dir, 1, name="late")
    while "late" not in [model["name"] for model in api.http.get("/models").json()["models"]]:
        pause()
    assert api.http.get("/models/late/1").json()["name"] == "late"


def test_a_champion_whose_version_is_gone_is_still_listed(api: System) -> None:
    api.redis.hset(keys.ALIASES, "gone/champion", ALIAS_CODEC.encode(Alias(7)))
    api.redis.publish(keys.ALIASES_CHANNEL, "gone/champion")
    while api.http.get("/models/gone").status_code == 404:
        pause()
    content = api.http.get("/models/gone").json()
    assert (content["versions"], content["latest"], content["serves"]) == ([], None, "gone@7")
    assert api.http.get("/models/gone/champion").status_code == 404
    api.redis.hdel(keys.ALIASES, "gone/champion")
