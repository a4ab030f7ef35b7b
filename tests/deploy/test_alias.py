"""The operator's command, against a real API whose worker is a heartbeat."""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from deploy import alias
from deploy.processes import free_port
from mnistified.http.calls import SPARE_S
from shared.redis import keys
from tests.support.receiver import receiving
from tests.support.registries import clear_aliases, copy_version, write_heartbeat
from tests.support.system import RedisServer, System, running

KEY = "the-key-of-ops"


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    models_dir = tmp_path_factory.mktemp("models")
    for version, passed in ((1, True), (2, True), (3, False)):
        copy_version(models_dir, version, passed)
    api_keys = f"ops:{sha256(KEY.encode()).hexdigest()}:admin"
    environ = {"MODELS_DIR": str(models_dir), "API_KEYS": api_keys, "WORKER_TTL_S": "60"}
    with running(redis_server.new_url(), 0, environ, api_in_thread=True) as system:
        system.http.headers["X-API-Key"] = KEY
        write_heartbeat(system.redis, "w1", "cnn@1", "cnn@2", "cnn@3")
        yield system


@pytest.fixture
def api(guarded: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """An API whose address and key are in the environment, without aliases."""
    monkeypatch.setenv("MNISTIFIED_URL", guarded.url)
    monkeypatch.setenv("MNISTIFIED_KEY", KEY)
    clear_aliases(guarded)
    return guarded


@pytest.mark.slow
def test_an_alias_is_set_shown_and_deleted(api: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert alias.main(["set", "cnn", "champion", "1"]) == 0
    assert capsys.readouterr().out == "cnn/champion: nothing -> 1\n"
    canary = ["--canary", "1", "--canary-percent", "2.5", "--shadow", "3", "--reason", "it is better"]
    assert alias.main(["set", "cnn", "champion", "2", *canary]) == 0
    assert capsys.readouterr().out == "cnn/champion: 1 -> 2, canary 1 at 2.5 %, shadow 3\n"
    assert alias.main(["show"]) == 0
    shown = "cnn: serves cnn@2; versions 1, 2, 3\n  champion = 2, canary 1 at 2.5 %, shadow 3\n"
    assert capsys.readouterr().out == shown
    assert alias.main(["delete", "cnn", "champion", "--reason", "over"]) == 0
    assert capsys.readouterr().out == "cnn/champion: 2, canary 1 at 2.5 %, shadow 3 -> nothing\n"
    assert alias.main(["show", "cnn"]) == 0
    output = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "T", capsys.readouterr().out)
    assert output.splitlines() == [
        "cnn: serves cnn@3; versions 1, 2, 3",
        "changes:",
        "  T UTC, ops, cnn/champion: 2, canary 1 at 2.5 %, shadow 3 -> nothing: over",
        "  T UTC, ops, cnn/champion: 1 -> 2, canary 1 at 2.5 %, shadow 3: it is better",
        "  T UTC, ops, cnn/champion: nothing -> 1",
    ]


@pytest.mark.slow
def test_the_gate_is_overruled_with_a_reason(api: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert alias.main(["set", "cnn", "champion", "3", "--force"]) == 1
    assert "alias: 409: cnn@3 has not passed the gate: recall" in capsys.readouterr().err
    assert alias.main(["set", "cnn", "champion", "3", "--force", "--reason", "a demonstration"]) == 0
    assert alias.main(["show", "cnn"]) == 0
    assert "cnn/champion: nothing -> 3 (forced): a demonstration" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "status", "reason"),
    [
        (["set", "no", "champion", "1"], 1, "alias: 404: there is no model 'no'"),
        (["set", "cnn", "latest", "1"], 1, "alias: 422: latest"),
        (["set", "a/b", "champion", "1"], 1, "alias: 404:"),
        (["delete", "cnn", "champion"], 1, "alias: 404: model 'cnn' has no alias 'champion'"),
        (["show", "no"], 1, "alias: 404: there is no model 'no'"),
    ],
)
def test_a_refusal_of_the_service_is_printed(
    api: System, capsys: pytest.CaptureFixture[str], argv: list[str], status: int, reason: str
) -> None:
    assert alias.main(argv) == status
    assert reason in capsys.readouterr().err


@pytest.mark.slow
def test_workers_that_are_not_ready_have_another_exit_status(api: System, capsys: pytest.CaptureFixture[str]) -> None:
    write_heartbeat(api.redis, "w2")
    assert alias.main(["set", "cnn", "champion", "1", "--wait", "0"]) == 3
    assert "alias: 503: w2 has not loaded cnn@1 after 0 s; nothing is changed" in capsys.readouterr().err
    api.redis.zrem(keys.WORKERS, "w2")


@pytest.mark.slow
def test_without_a_key_nothing_is_done(
    api: System, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MNISTIFIED_KEY")
    assert alias.main(["show"]) == 1
    assert "alias: 401: a key is needed" in capsys.readouterr().err


def test_an_unreachable_address_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert alias.main(["--url", url, "show"]) == 3
    assert f"alias: cannot reach {url}: " in capsys.readouterr().err


def test_another_server_at_the_address_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with receiving() as receiver:
        assert alias.main(["--url", receiver.url(""), "show"]) == 3
    assert "a web page ('Error response') answered, which this service does not send" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["set", "cnn", "champion"],
        ["set", "cnn", "champion", "second"],
        ["--url", "127.0.0.1:5000", "show"],
        ["--url", "ftp://host", "show"],
        ["--url", "http://host:port", "show"],
    ],
)
def test_a_wrong_command_line_prints_the_usage(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        alias.main(argv)
    assert ended.value.code == 2
    assert "usage: python -m deploy.alias" in capsys.readouterr().err


def test_an_alias_is_described_in_a_line() -> None:
    means = {"version": 1, "canary": None, "canary_percent": 0.0, "shadow": None}
    assert alias.format_alias(means) == "1"
    assert alias.format_alias(means | {"canary": 2}) == "1, canary 2 at 0 %"
    assert alias.format_alias(None) == "nothing"


@pytest.mark.slow
def test_the_timeout_allows_for_the_wait_of_the_service(api: System, monkeypatch: pytest.MonkeyPatch) -> None:
    read_s: list[float] = []
    request = httpx.Client.request

    def spied(http: httpx.Client, **options: Any) -> httpx.Response:
        read_s.append(options["timeout"].read)
        return request(http, **options)

    monkeypatch.setattr(httpx.Client, "request", spied)
    for argv in (["delete", "cnn", "x", "--wait", "5"], ["delete", "cnn", "x"]):
        alias.main(argv)
    assert read_s == [5 + SPARE_S, alias.MAX_WAIT_S + alias.CONNECT_S]
