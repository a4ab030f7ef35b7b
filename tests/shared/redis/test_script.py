import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from shared.redis.clients import SyncClient
from shared.redis.script import Script
from tests.support.processes import ROOT

UNPACKED = "**"  # stands for values that a call passes as a dictionary
SOURCE = """
local stream, queued = unpack(KEYS)
local group,
  entry_id = unpack(ARGV, 1, 2)
local rest = {}
for index = 3, #ARGV do
  rest[#rest + 1] = ARGV[index]
end
return {stream, queued, group, entry_id, rest}
"""


def test_values_reach_redis_under_their_names(client: SyncClient) -> None:
    script = Script("example", SOURCE)
    call = script(entry_id=1, queued="q", group=b"g", stream="s", more_args=["a", "b"])
    assert client.eval(*call) == [b"s", b"q", b"g", b"1", [b"a", b"b"]]


@pytest.mark.parametrize("values", [{"stream": "s"}, {"stream": "s", "queued": "q", "group": "g", "entry": "1"}])
def test_a_missing_or_unknown_name_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=r"expected \['entry_id', 'group', 'queued', 'stream'\]"):
        Script("example", SOURCE)(**values)


def test_a_script_without_a_rest_takes_none() -> None:
    script = Script("example", "local job = unpack(KEYS)")
    with pytest.raises(TypeError, match="no values after job"):
        script(job="j", more_args=["1"])
    with pytest.raises(TypeError, match="no values after job"):
        script(job="j", more_keys=["k"])


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("local job = unpack(KEYS)\nlocal job = unpack(ARGV)", "declares a name twice"),
        ("local job = unpack(KEYS)\nlocal other = unpack(KEYS)", "declares KEYS 2 times"),
        ("local job = unpack(KEYS)\nreturn ARGV[1]", r"reads ARGV\[1…\] by its position"),
        ("local id, now_ms = unpack(ARGV, 1, 3)\nreturn {unpack(ARGV, 4)}", "2 names of ARGV and a bound of 3"),
        ("local id = unpack(ARGV, 1, 1)\nfor index = 3, #ARGV do end", r"ARGV from \[3\] on, after 1 declared"),
        ("local id = unpack(ARGV)\nreturn {unpack(ARGV, 2)}", r"ARGV from \[2\] on, after 1 declared"),
        ("local id = unpack(ARGV, 1, 1)\nreturn id", r"ARGV from \[\] on, after 1 declared"),
    ],
)
def test_a_contradiction_is_found_when_the_script_is_loaded(source: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Script("example", source)


def test_every_call_names_what_its_script_declares() -> None:
    calls = [call for folder in ("api", "worker", "benchmarks") for call in calls_of_scripts(ROOT / folder)]
    assert len(calls) >= 15
    for where, script, names in calls:
        named = names - {"more_keys", "more_args", UNPACKED}
        expected = set(script.names)
        assert named <= expected if UNPACKED in names else named == expected, where


def calls_of_scripts(folder: Path) -> Iterator[tuple[str, Script, set[str]]]:
    """Yield the place of each call, its script, and the names that it passes."""
    for file in folder.rglob("*.py"):
        text = file.read_text()
        if "redis.script import" not in text and "import WRITE_HEARTBEAT" not in text:
            continue
        module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                script = getattr(module, node.func.id, None)
                if isinstance(script, Script):
                    yield f"{file}:{node.lineno}", script, {keyword.arg or UNPACKED for keyword in node.keywords}
