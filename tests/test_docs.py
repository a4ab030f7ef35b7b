"""Every route and every setting is documented, and what the README shows is what one gets."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.app import ROUTES
from shared.dataset import Split
from shared.settings import Settings
from tests.processes import BIN, ROOT
from tests.system import System

CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
END = "=== end of output ==="
VOLATILE = {"elapsed_time_ms", "id", "queue_ms", "model_ms", "worker", "batch_images", "elapsed_s", "self", "items"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.path} {sorted(route.methods)}")
def test_every_route_is_documented(route: Any) -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in ("http.md", "doors.md"))
    assert any(f"`{method} {route.path}`" in text for method in route.methods - {"HEAD"})


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for setting in fields(Settings):
        default = "none" if setting.default in (None, "", ()) else f"`{setting.default}`"
        assert f"| `{setting.name.upper()}` | {default} | {setting.metadata['doc']} |" in text


def test_no_setting_is_documented_that_is_not_there() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert documented == {setting.name.upper() for setting in fields(Settings)}


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_make_targets_and_files_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for target in MAKE.findall(text) if not target.endswith("-")}
    assert named <= targets
    for file in re.findall(r"`((?:api|worker|shared|training|deploy|docs|tests)/[a-z_/.-]+\.[a-z]+)`", text):
        assert (ROOT / file).exists(), f"{document} names {file}"


def console_sessions() -> list[str]:
    return CONSOLE.findall((ROOT / "README.md").read_text())


def test_the_readme_shows_sessions() -> None:
    assert len(console_sessions()) >= 2


def test_the_readmes_commands_give_what_the_readme_says(system: System, mnist: Split, tmp_path: Path) -> None:
    """All sessions in one shell and one folder, in order, as a reader would type them, on this system's address."""
    commands = [each for session in console_sessions() for each in commands_of(session)]
    script = "\n".join(f"{command}\necho '{END}'" for command, _ in commands)
    told = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script.replace("127.0.0.1:5000", f"127.0.0.1:{system.port}")],
        cwd=tmp_path,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "REDIS_URL": system.redis_url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    outputs = told.stdout.split(f"{END}\n")
    assert len(outputs) == len(commands) + 1, told.stdout + told.stderr
    for (command, expected), output in zip(commands, outputs, strict=False):
        check_output(command, expected, output)


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
    lines = told.splitlines()
    assert len(lines) == len(expected), f"{command}\n{told}"
    for wanted, got in zip(expected, lines, strict=True):
        if wanted.startswith("{") and wanted.endswith("}"):
            assert steady(orjson.loads(got)) == steady(orjson.loads(wanted)), command
        elif "…" in wanted:
            before, _, after = wanted.partition("…")
            assert got.startswith(before), command
            assert got.endswith(after), command
        else:
            assert got == wanted, command


def steady(value: Any) -> Any:
    """Without what differs from run to run, and with the last digits of floats rounded away."""
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE else steady(each) for key, each in value.items()}
    if isinstance(value, list):
        return [steady(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value
