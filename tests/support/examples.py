"""The examples of a document, run as a reader would: console sessions with their output, and scripts."""

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
    """A `python` block, and its output: the `text` block after it, or None if there is no such block."""

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
    """Replace the default addresses of a service by the addresses of this system."""
    return text.replace("127.0.0.1:5000", f"127.0.0.1:{system.port}")


def environ(system: System) -> dict[str, str]:
    path = f"{BIN}:/usr/bin:/bin"
    return {
        "PATH": path,
        "MNISTIFIED_URL": system.url,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
    }


def run_sessions(document: str, system: System, cwd: Path, timeout_s: float = TIMEOUT_S) -> None:
    """Run the sessions of a document in one shell and one folder. Each command must print the documented output."""
    commands = [each for session in blocks(document, "console") for each in commands_of(on_system(session, system))]
    script = "\n".join(f"{command}\necho '{END}'" for command, _ in commands)
    ended = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=cwd,
        env=environ(system),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    outputs = ended.stdout.split(f"{END}\n")
    assert len(outputs) == len(commands) + 1, ended.stdout + ended.stderr
    for (command, expected), output in zip(commands, outputs, strict=False):
        check_output(command, expected, output)


def run_script(script: Script, system: System, cwd: Path, timeout_s: float = TIMEOUT_S) -> str:
    """Run a script in the folder. It must print the documented output, which is returned."""
    command = [sys.executable, "-c", on_system(script.code, system)]
    ended = subprocess.run(command, cwd=cwd, env=environ(system), capture_output=True, text=True, timeout=timeout_s)
    assert ended.returncode == 0, ended.stderr
    if script.expected is not None:
        check_output(script.code, script.expected.splitlines(), ended.stdout)
    return ended.stdout


def commands_of(session: str) -> list[tuple[str, list[str]]]:
    """Return pairs (command, expected lines) of a console session. `\\` continues a command."""
    commands: list[tuple[str, list[str]]] = []
    for line in session.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line)
    return commands


def check_output(command: str, expected: list[str], output: str) -> None:
    """Compare line by line. `…` matches anything, and the VOLATILE fields of JSON objects are ignored."""
    lines = output.splitlines()
    assert len(lines) == len(expected), f"{command}\n{output}"
    for documented, printed in zip(expected, lines, strict=True):
        if "…" in documented:
            pattern = ".*".join(map(re.escape, documented.split("…")))
            assert re.fullmatch(pattern, printed), f"{command}\n{printed}"
        elif documented.startswith('{"') and documented.endswith("}"):
            assert steady(orjson.loads(printed)) == steady(orjson.loads(documented)), f"{command}\n{printed}"
        else:
            assert printed == documented, command


def steady(value: Any) -> Any:
    """Replace the VOLATILE fields, and round floats."""
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE else steady(each) for key, each in value.items()}
    if isinstance(value, list):
        return [steady(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value
