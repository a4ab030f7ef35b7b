"""Changes of aliases on a real API. Its workers are heartbeats that the tests write."""

import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from api.routes.models.aliases import check_reason, parse_request
from shared.contract.alias import ALIAS_CODEC, CHANGE_CODEC, Alias, AliasChange
from shared.errors import BadParameter, BadRequest
from shared.redis import keys
from tests.support.processes import pause
from tests.support.registries import clear_aliases, copy_version, write_heartbeat
from tests.support.system import RedisServer, System, running

ADMINS, ALICES = "the-key-of-ops", "alices-key"
CHAMPION = "/models/cnn/aliases/champion"
PARTS = "/models/parts/aliases"


def test_only_the_version_is_required() -> None:
    asked = parse_request(b'{"version": 3}')
    assert (asked.alias, asked.reason, asked.force) == (Alias(3), "", False)


def test_everything_can_be_asked_at_once() -> None:
    body = {"version": 3, "canary": 4, "canary_percent": 5, "shadow": 2, "reason": " better ", "force": True}
    asked = parse_request(orjson.dumps(body))
    assert (asked.alias, asked.reason, asked.force) == (Alias(3, 4, 5.0, 2), "better", True)


@pytest.mark.parametrize("body", [b"", b"{", b"version=3", b'{"version": NaN}', b"\xff"])
def test_a_body_that_is_no_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="not JSON"):
        parse_request(body)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ([], 'expected an alias like {"version": 3}: Expected `object`'),
        ({}, "missing required field `version`"),
        ({"version": "3"}, "Expected `int`, got `str` - at `$.version`"),
        ({"version": 3, "canary_percent": 5}, "no canary"),
        ({"version": 3, "weight": 5}, "unknown field `weight`"),
        ({"version": 3, "self": 5}, "unknown field `self`"),
        ({"version": 3, "force": "yes"}, "Expected `bool`, got `str` - at `$.force`"),
        ({"version": 3, "force": 1}, "Expected `bool`, got `int` - at `$.force`"),
        ({"version": 3, "reason": 7}, "Expected `str`, got `int` - at `$.reason`"),
        ({"version": 3, "reason": None}, "Expected `str`, got `null` - at `$.reason`"),
    ],
)
def test_a_field_of_no_use_is_named(asked: object, reason: str) -> None:
    with pytest.raises(BadParameter) as refused:
        parse_request(orjson.dumps(asked))
    assert reason in refused.value.detail


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", "\x1b[31m"])
def test_a_reason_is_one_line_of_bounded_length(reason: str) -> None:
    with pytest.raises(BadParameter, match="at most 500"):
        check_reason(reason)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2 passed the gate, 3 failed, 4 has no report. Those of the model `parts` take different images."""
    models_dir = tmp_path_factory.mktemp("models")
    for version, passed in ((1, True), (2, True), (3, False), (4, None)):
        copy_version(models_dir, version, passed)
    for version in (1, 2):
        copy_version(models_dir, version, name="parts")
    card = models_dir / "parts" / "2" / "model.json"
    given = {"height": 24, "width": 40, "channels": 3, "values": "0..1"}
    card.write_bytes(orjson.dumps(orjson.loads(card.read_bytes()) | {"input": given, "labels": list("0123456789")}))
    return models_dir


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer, models_dir: Path) -> Iterator[System]:
    api_keys = f"ops:{sha256(ADMINS.encode()).hexdigest()}:admin alice:{sha256(ALICES.encode()).hexdigest()}"
    environ = {"MODELS_DIR": str(models_dir), "API_KEYS": api_keys, "WORKER_TTL_S": "60", "MAX_WAIT_S": "30"}
    with running(redis_server.new_url(), 0, environ, api_in_thread=True) as system:
        system.http.headers["Authorization"] = f"Bearer {ADMINS}"
        yield system


@pytest.fixture
def api(guarded: System) -> System:
    """No alias is set, and no worker runs."""
    guarded.redis.flushdb()
    clear_aliases(guarded)
    return guarded


def refusal(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    detail: str = reply.json()["detail"]
    return detail


def champion(api: System, model: str = "cnn") -> Alias | None:
    held = api.redis.hget(keys.ALIASES, f"{model}/champion")
    return None if held is None else ALIAS_CODEC.decode(held)  # type: ignore[arg-type]


def test_an_alias_means_what_it_was_set_to_and_who_did_it_is_known(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", "cnn@2")
    began_ms = int(time.time() * 1e3)
    reply = api.http.post(CHAMPION, json={"version": 1, "reason": "the first"})
    assert reply.status_code == 200
    change = reply.json()
    assert began_ms <= change.pop("at_ms") <= time.time() * 1e3
    to = {"version": 1, "canary": None, "canary_percent": 0.0, "shadow": None}
    assert change == {
        "by": "ops",
        "model": "cnn",
        "alias": "champion",
        "from": None,
        "to": to,
        "reason": "the first",
        "forced": False,
    }
    assert champion(api) == Alias(1)
    assert api.http.get("/models/cnn").json()["serves"] == "cnn@1"
    assert api.http.get("/status").json()["model"]["version"] == 1

    second = api.http.post(CHAMPION, json={"version": 2, "canary": 1, "canary_percent": 5}).json()
    assert (second["from"], second["to"]["canary_percent"]) == (to, 5)
    assert api.http.get("/models/cnn").json()["serves"] == "cnn@2"
    changes = api.http.get("/models/cnn/changes").json()["changes"]
    assert [each["to"]["version"] for each in changes] == [2, 1]
    assert changes[0] == second
    assert api.http.get("/models/cnn/changes", params={"limit": 1}).json()["changes"] == [second]


def test_what_the_change_will_need_is_announced_and_nothing_changes_until_it_is_there(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", "cnn@2")
    write_heartbeat(api.redis, "w2", "cnn@1")
    replies: list[httpx.Response] = []
    asked = {"version": 1, "canary": 2, "canary_percent": 5}
    with api.redis.pubsub() as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe(keys.ALIASES_CHANNEL)
        assert next_message(pubsub, "subscribe")
        asking = threading.Thread(target=lambda: replies.append(api.http.post(CHAMPION, json=asked)))
        asking.start()
        assert next_message(pubsub, "message")["data"] == b"cnn/champion"
        wanted = dict(api.redis.zrange(keys.DESIRED, 0, -1, withscores=True))  # type: ignore[arg-type]
        assert wanted.keys() == {b"cnn@1", b"cnn@2"}
        assert all(time.time() + 60 < until_s < time.time() + 120 for until_s in wanted.values())
        assert api.redis.ttl(keys.DESIRED) > 60
        assert champion(api) is None
        write_heartbeat(api.redis, "w2", "cnn@1", "cnn@2")
        assert next_message(pubsub, "message")["data"] == b"cnn/champion"
        asking.join()
    assert replies[0].status_code == 200
    assert champion(api) == Alias(1, 2, 5.0)


def next_message(pubsub: Any, kind: str) -> dict[str, Any]:
    while True:
        message = pubsub.get_message(timeout=10)
        assert message is not None, f"no {kind} came"
        if message["type"] == kind:
            return dict(message)


def test_a_worker_that_is_not_ready_in_time_is_named_and_nothing_is_changed(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", "cnn@2")
    write_heartbeat(api.redis, "w2", "cnn@1")
    assert api.http.post(CHAMPION, json={"version": 1}).status_code == 200
    reply = api.http.post(CHAMPION, params={"wait": 0.2}, json={"version": 2})
    assert refusal(reply, 503) == "w2 has not loaded cnn@2 after 0.2 s; nothing is changed"
    assert reply.headers["retry-after"] == "1"
    assert champion(api) == Alias(1)
    assert len(api.http.get("/models/cnn/changes").json()["changes"]) == 1
    assert api.redis.zscore(keys.DESIRED, "cnn@2"), "the version continues to load, for the next attempt"


def test_a_worker_that_cannot_load_a_version_says_why(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1")
    state = orjson.loads(api.redis.get(keys.worker("w1")))  # type: ignore[arg-type]
    api.redis.set(keys.worker("w1"), orjson.dumps(state | {"failed_models": {"cnn@2": "it is damaged"}}))
    reply = api.http.post(CHAMPION, params={"wait": 0}, json={"version": 2})
    assert "w1 has not loaded cnn@2 (it is damaged)" in refusal(reply, 503)


def test_with_no_worker_alive_nothing_is_changed(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", age_s=61)
    reply = api.http.post(CHAMPION, params={"wait": 0.1}, json={"version": 1})
    assert "no worker is alive to load cnn@1" in refusal(reply, 503)
    assert champion(api) is None


@pytest.mark.parametrize(
    ("alias", "asked", "reason"),
    [
        ("champion", {"version": 3}, "cnn@3 has not passed the gate: recall: 8 is read in 10 %"),
        ("champion", {"version": 4}, "cnn@4 has no report.json"),
        ("champion", {"version": 1, "canary": 3}, "cnn@3 has not passed"),
        ("candidate", {"version": 1, "canary": 4, "canary_percent": 1}, "cnn@4 has no report"),
        ("champion", {"version": 3, "canary": 4}, "cnn@4 has no report"),
        ("champion", {"version": 3, "force": True}, "cnn@3 has not passed"),
        ("champion", {"version": 3, "force": True, "reason": "  "}, "cnn@3 has not passed"),
        ("champion", {"version": 3, "reason": "please"}, "cnn@3 has not passed"),
    ],
)
def test_a_version_that_has_not_passed_is_not_served_to_everyone(
    api: System, alias: str, asked: dict[str, object], reason: str
) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", "cnn@3", "cnn@4")
    assert reason in refusal(api.http.post(f"/models/cnn/aliases/{alias}", json=asked), 409)
    assert api.redis.exists(keys.ALIASES, keys.CHANGES, keys.DESIRED) == 0


def test_the_gate_is_overruled_with_a_reason_and_both_are_recorded(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@3")
    asked = {"version": 3, "force": True, "reason": "for a demonstration"}
    assert api.http.post(CHAMPION, json=asked).status_code == 200
    (change,) = api.http.get("/models/cnn/changes").json()["changes"]
    assert (change["forced"], change["reason"], change["by"]) == (True, "for a demonstration", "ops")


@pytest.mark.parametrize("asked", [{"version": 4}, {"version": 1, "shadow": 3}])
def test_what_nobody_is_served_unasked_needs_no_report(api: System, asked: dict[str, object]) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", "cnn@3", "cnn@4")
    assert api.http.post("/models/cnn/aliases/candidate", json=asked).json()["forced"] is False


@pytest.mark.parametrize(
    ("path", "asked", "status", "reason"),
    [
        ("/models/no/aliases/champion", {"version": 1}, 404, "there is no model 'no'"),
        (CHAMPION, {"version": 9}, 404, "model 'cnn' has no version 9"),
        (CHAMPION, {"version": 1, "canary": 9}, 404, "no version 9"),
        ("/models/cnn/aliases/latest", {"version": 1}, 422, "latest"),
        ("/models/cnn/aliases/3", {"version": 1}, 422, "'3' is not a valid name of an alias"),
        ("/models/cnn/aliases/Champion", {"version": 1}, 422, "'Champion'"),
        (CHAMPION, {"version": 0}, 422, "Expected `int` >= 1 - at `$.version`"),
        (f"{CHAMPION}?wait=soon", {"version": 1}, 422, "wait 'soon'"),
        (CHAMPION, {"version": 1, "reason": "x" * 5000}, 413, "a change of an alias may have at most 4096 bytes"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    api: System, path: str, asked: dict[str, object], status: int, reason: str
) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1")
    assert reason in refusal(api.http.post(path, json=asked), status)


def test_only_an_admin_may_change_an_alias(api: System) -> None:
    headers = {"Authorization": f"Bearer {ALICES}"}
    assert refusal(api.http.post(CHAMPION, json={"version": 1}, headers=headers), 403)
    assert refusal(api.http.delete(CHAMPION, headers=headers), 403)
    assert api.http.get("/models/cnn/aliases", headers=headers).status_code == 200
    assert api.http.get("/models/cnn/changes", headers=headers).status_code == 200


def test_an_alias_that_is_not_there_cannot_be_deleted(api: System) -> None:
    assert refusal(api.http.delete("/models/cnn/aliases/next"), 404) == "model 'cnn' has no alias 'next'"


def test_an_alias_is_deleted_without_any_worker_unless_its_name_then_means_another_version(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@2")
    for alias in ("candidate", "champion"):
        assert api.http.post(f"/models/cnn/aliases/{alias}", json={"version": 2}).status_code == 200
    reply = api.http.delete("/models/cnn/aliases/candidate", params={"reason": "done"})
    assert (reply.json()["from"]["version"], reply.json()["to"], reply.json()["reason"]) == (2, None, "done")
    assert "cnn@4" in refusal(api.http.delete(CHAMPION, params={"wait": 0}), 503)
    assert champion(api) == Alias(2)
    write_heartbeat(api.redis, "w1", "cnn@2", "cnn@4")
    assert api.http.delete(CHAMPION).status_code == 200
    assert api.http.get("/models/cnn").json()["serves"] == "cnn@4"
    assert [each["alias"] for each in api.http.get("/models/cnn/changes").json()["changes"]][:2] == [
        "champion",
        "candidate",
    ]


def test_a_model_has_so_many_aliases_at_most(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1")
    for number in range(64):
        assert api.http.post(f"/models/cnn/aliases/a{number}", json={"version": 1}).status_code == 200
    assert "the maximum is 64" in refusal(api.http.post("/models/cnn/aliases/a64", json={"version": 1}), 409)
    assert api.http.post("/models/cnn/aliases/a0", json={"version": 1}).status_code == 200


def test_changes_of_other_models_are_passed_over_and_old_ones_read_on(api: System) -> None:
    for number in range(2500):
        model = "cnn" if number == 3 else "other"
        change = AliasChange(at_ms=1, by=None, model=model, alias=f"a{number}", after=Alias(1))
        api.redis.xadd(keys.CHANGES, {"c": CHANGE_CODEC.encode(change)})
    (found,) = api.http.get("/models/cnn/changes").json()["changes"]
    assert found["alias"] == "a3"


def test_another_api_process_follows(api: System) -> None:
    write_heartbeat(api.redis, "w1", "cnn@1", "cnn@2")
    assert api.http.post(CHAMPION, json={"version": 2}).status_code == 200
    environ = {name: value for name, value in api.environ.items() if name not in ("API_PORT", "REDIS_URL")}
    with running(api.redis_url, 0, environ, api_in_thread=True) as other:
        other.http.headers.update(api.http.headers)
        assert other.http.get("/models/cnn").json()["serves"] == "cnn@2", "as it found it at its start"
        assert other.http.post(CHAMPION, json={"version": 1}).status_code == 200
        while api.http.get("/models/cnn").json()["serves"] != "cnn@1":
            pause()


def test_a_version_for_other_images_needs_force_because_users_of_the_alias_send_the_old_ones(api: System) -> None:
    write_heartbeat(api.redis, "w1", "parts@1", "parts@2")
    assert api.http.post(f"{PARTS}/champion", json={"version": 1}).status_code == 200
    detail = refusal(api.http.post(f"{PARTS}/champion", json={"version": 2}), 409)
    takes = "parts@2 takes images of 40×24 in colour, but users of parts@champion send images of 28×28 in grey"
    assert detail == f"{takes}. To do it all the same, send `force` true and a `reason`"
    assert champion(api, "parts") == Alias(1)
    reply = api.http.post(f"{PARTS}/champion", json={"version": 2, "force": True, "reason": "all clients follow"})
    assert (reply.status_code, reply.json()["forced"]) == (200, True)
    assert "parts@1 takes images of 28×28 in grey" in refusal(
        api.http.post(f"{PARTS}/champion", json={"version": 1}), 409
    )
    other = api.http.post(f"{PARTS}/thumbnails", json={"version": 2})
    assert other.status_code == 200, "nobody uses a new alias yet"


@pytest.mark.parametrize("role", ["canary", "shadow"])
def test_canary_and_shadow_take_the_images_of_the_version(api: System, role: str) -> None:
    asked = {"version": 1, role: 2, "force": True, "reason": "try"} | (
        {"canary_percent": 5} if role == "canary" else {}
    )
    detail = refusal(api.http.post(f"{PARTS}/champion", json=asked), 409)
    assert detail == (
        f"parts@1 takes images of 28×28 in grey, so its {role} cannot be parts@2, for images of 40×24 in colour"
    )
    assert champion(api, "parts") is None
