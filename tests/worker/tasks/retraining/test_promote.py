import json
from collections.abc import Iterator
from hashlib import sha256
from http.server import HTTPServer
from typing import Any

import orjson
import pytest

from shared.config.settings import Settings
from shared.contract.alias import ALIAS_CODEC, Alias
from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.support.threads import QuietHandler, serving
from worker.tasks.retraining.promote import champion_of, promote, set_alias

KEY = "the-key-of-ops"


def version_of(client: SyncClient, name: str) -> int | None:
    data: Any = client.hget(keys.ALIASES, name)
    return None if data is None else ALIAS_CODEC.decode(data).version


def test_the_champion_is_the_alias_else_the_latest_version(client: SyncClient) -> None:
    assert champion_of(client, "cnn", []) is None
    assert champion_of(client, "cnn", [1, 3]) == 3
    client.hset(keys.ALIASES, "cnn/champion", ALIAS_CODEC.encode(Alias(1)))
    assert champion_of(client, "cnn", [1, 3]) == 1


def test_an_alias_is_set_recorded_and_published(client: SyncClient) -> None:
    with client.pubsub() as listener:
        listener.subscribe(keys.ALIASES_CHANNEL)
        listener.get_message(timeout=5)
        set_alias(client, "cnn", "candidate", 2, "training t1")
        set_alias(client, "cnn", "candidate", 3, "training t2")
        message = listener.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"cnn/candidate"
    assert version_of(client, "cnn/candidate") == 3
    entries: Any = client.xrange(keys.CHANGES)
    first, second = (orjson.loads(fields[b"c"]) for _, fields in entries)
    assert (first["from"], first["to"]["version"], first["by"]) == (None, 2, "training t1")
    assert (second["from"]["version"], second["to"]["version"]) == (2, 3)


def test_only_new_leaves_an_existing_alias(client: SyncClient) -> None:
    set_alias(client, "cnn", "champion", 1, "a", only_new=True)
    set_alias(client, "cnn", "champion", 2, "b", only_new=True)
    assert version_of(client, "cnn/champion") == 1
    assert client.xlen(keys.CHANGES) == 1


@pytest.fixture
def api() -> Iterator[HTTPServer]:
    """A server that accepts a promotion of version 2 with KEY."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            known = sha256(key.encode()).digest() == sha256(KEY.encode()).digest()
            status = 401 if not known else 200 if body == {"version": 2} else 409
            assert self.path == "/models/cnn/aliases/champion"
            self.respond(status, json.dumps({"detail": "cnn@3 has failed the gate"}).encode())

    server = HTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield server


def settings_of(server: HTTPServer, key: str) -> Settings:
    return Settings(trainer_api_url=f"http://127.0.0.1:{server.server_port}", trainer_api_key=key)


def test_the_api_promotes_and_its_refusal_is_passed_on(api: HTTPServer) -> None:
    assert promote(settings_of(api, KEY), "cnn", 2) is None
    refused = promote(settings_of(api, KEY), "cnn", 3)
    assert refused == "the API answered 409: cnn@3 has failed the gate"


def test_a_missing_key_leaves_the_promotion_to_a_person(api: HTTPServer) -> None:
    fault = promote(settings_of(api, ""), "cnn", 2)
    assert fault == "the API requires an admin's key, and TRAINER_API_KEY is not set"
    assert promote(settings_of(api, "wrong"), "cnn", 2) == "the API answered 401: cnn@3 has failed the gate"


def test_an_unreachable_api_is_named() -> None:
    settings = Settings(trainer_api_url="http://127.0.0.1:1")
    fault = promote(settings, "cnn", 2)
    assert fault is not None
    assert fault.startswith("the API does not answer: http://127.0.0.1:1: ")
