"""The heartbeat, and the codec that reads every structure that is stored as JSON."""

import re

import msgspec
import pytest

from shared.contract.heartbeat import HEARTBEAT_CODEC, LIVE_WORKER_CODEC, Heartbeat
from shared.errors import ContractError
from tests.support.heartbeats import live_worker

HEARTBEAT = msgspec.convert(live_worker("w1", "cnn@1"), Heartbeat, from_attributes=True)


def test_a_heartbeat_is_read_as_it_was_written() -> None:
    data = HEARTBEAT_CODEC.encode(HEARTBEAT)
    assert HEARTBEAT_CODEC.decode(data) == HEARTBEAT
    assert LIVE_WORKER_CODEC.decode(data) == live_worker("w1", "cnn@1")


def test_a_field_of_a_newer_worker_is_ignored() -> None:
    newer = msgspec.to_builtins(HEARTBEAT) | {"mood": "fine"}
    assert HEARTBEAT_CODEC.decode(msgspec.json.encode(newer)) == HEARTBEAT


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("images", "7", "Expected `int`, got `str` - at `$.images`"),
        ("models", {"cnn@1": {}}, "missing required field `engine` - at `$.models[...]`"),
        ("recent", [], "Expected `object | null`, got `array` - at `$.recent`"),
    ],
)
def test_a_malformed_heartbeat_names_its_field(field: str, value: object, fault: str) -> None:
    data = msgspec.json.encode(msgspec.to_builtins(HEARTBEAT) | {field: value})
    with pytest.raises(ContractError, match="not a heartbeat: .*" + re.escape(fault)):
        HEARTBEAT_CODEC.decode(data)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"name": "\xff"}'])
def test_bytes_that_are_no_heartbeat_are_refused(data: bytes) -> None:
    with pytest.raises(ContractError, match="not a heartbeat"):
        HEARTBEAT_CODEC.decode(data)
