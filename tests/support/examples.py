"""The examples of a document, as a reader would type them: console sessions with what they print, and scripts."""

import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from tests.support.processes import BIN, ROOT
from tests.support.system import System

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
END = "=== end of output ==="
VOLATILE = {
    "elapsed_time_ms",
    "id",
    "queue_ms",
    "model_ms",
    "worker",
    "batch_images",
    "elapsed_s",
    "self",
    "items",
    "request_id",
}
TIMEOUT_S = 50


@dataclass(frozen=True)
class Script:
    """A `python` block, and the `text` block after it: what it prints; None where there is no such block."""

    code: str
    expected: str | None


def blocks(document: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall((ROOT / document).read_text()) if kind == language]


def scripts(document: str) -> list[Script]:
    found = [*BLOCK.findall((ROOT / document).read_text()), ("", "")]
    return [
        Script(text, following if then == "text" else None)
        for (kind, text), (then, following) in pairwise(found)
        if kind == "python"
    ]


def on_system(text: str, system: System) -> str:
    """With this system's addresses for those that a service has when nobody says otherwise."""
    redis_place = system.redis_url.removeprefix("redis://")
    return text.replace("127.0.0.1:5000", f"127.0.0.1:{system.port}").replace("127.0.0.1:6379/0", redis_place)


def environ(system: System) -> dict[str, str]:
    path = f"{BIN}:/usr/bin:/bin"
    return {
        "PATH": path,
        "REDIS_URL": system.redis_url,
        "MNISTIFIED_URL": system.url,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
    }


def run_sessions(document: str, system: System, cwd: Path) -> None:
    """All of a document's sessions in one shell and one folder, in order; each command prints what it says there."""
    commands = [each for session in blocks(document, "console") for each in commands_of(on_system(session, system))]
    script = "\n".join(f"{command}\necho '{END}'" for command, _ in commands)
    told = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=cwd,
        env=environ(system),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    outputs = told.stdout.split(f"{END}\n")
    assert len(outputs) == len(commands) + 1, told.stdout + told.stderr
    for (command, expected), output in zip(commands, outputs, strict=False):
        check_output(command, expected, output)


def run_script(script: Script, system: System, cwd: Path) -> None:
    command = [sys.executable, "-c", on_system(script.code, system)]
    told = subprocess.run(command, cwd=cwd, env=environ(system), capture_output=True, text=True, timeout=TIMEOUT_S)
    assert told.returncode == 0, told.stderr
    if script.expected is not None:
        check_output(script.code, script.expected.splitlines(), told.stdout)


def commands_of(session: str) -> list[tuple[str, list[str]]]:
    """(command, expected lines) of a console session; `\\` continues a command."""
    commands: list[tuple[str, list[str]]] = []
    for line in session.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line)
    return commands


def check_output(command: str, expected: list[str], told: str) -> None:
    """Line by line: `…` stands for anything, and of a JSON object what differs from run to run does not count."""
    lines = told.splitlines()
    assert len(lines) == len(expected), f"{command}\n{told}"
    for wanted, got in zip(expected, lines, strict=True):
        if "…" in wanted:
            pattern = ".*".join(map(re.escape, wanted.split("…")))
            assert re.fullmatch(pattern, got), f"{command}\n{got}"
        elif wanted.startswith('{"') and wanted.endswith("}"):
            assert steady(orjson.loads(got)) == steady(orjson.loads(wanted)), command
        else:
            assert got == wanted, command


def steady(value: Any) -> Any:
    """Without what differs from run to run, and with the last digits of floats rounded away."""
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE else steady(each) for key, each in value.items()}
    if isinstance(value, list):
        return [steady(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value
