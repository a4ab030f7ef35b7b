import pytest

from shared.redis.resp import new_reader, pack, packer
from shared.redis.script import Script, Value

PAIR = Script(
    "pair", "local key = unpack(KEYS)\nlocal limit, name, value = unpack(ARGV)\nreturn {key, limit, name, value}"
)


def test_a_packed_script_call_is_what_packing_the_whole_command_gives() -> None:
    value = bytes(range(256)) + b"\r\n"
    packed = packer(PAIR, "name", "value", key="k", limit=3)(b"", value)
    assert packed == pack(("EVALSHA", PAIR.sha, 1, "k", 3, b"", value))


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["value", "name"], {"key": "k", "limit": 3}),
        (["limit", "name"], {"key": "k", "value": 3}),
        (["name", "value"], {"key": "k"}),
        (["name", "value"], {"key": "k", "limit": 3, "other": 1}),
    ],
)
def test_other_names_or_another_order_are_refused(names: list[str], values: dict[str, Value]) -> None:
    with pytest.raises(TypeError, match="pair"):
        packer(PAIR, *names, **values)


def test_an_error_of_redis_is_a_reply() -> None:
    reader = new_reader()
    reader.feed(b"-ERR no\r\n+OK\r\n")
    assert isinstance(reader.gets(), Exception)
    assert reader.gets() == b"OK"
