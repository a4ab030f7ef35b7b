"""Turns the Procfile into the supervisor's configuration. Pure."""

import configparser
import io
import re
import shlex
from pathlib import Path

# Programs start in this order and stop in the reverse order.
PRIORITIES = {"redis": 1, "api": 20, "worker": 30, "tasks": 35, "door": 36, "trainer": 37, "flower": 40}
STOP_S = 45  # longer than a worker's warm shutdown and the API's longest wait
START_RETRIES = 20

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9-]*):\s*(?P<command>.+)")


def parse_procfile(text: str) -> dict[str, str]:
    """Return shell commands by program name. Raises ValueError, which names a malformed line."""
    programs: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"Procfile: {line!r} is not `name: command`")
        programs[match["name"]] = match["command"]
    return programs


def supervisor_config(programs: dict[str, str], workers: int, run_dir: Path) -> str:
    """Return a configuration that runs in the foreground, logs to our output, and restarts programs that die."""
    config = configparser.RawConfigParser()
    config["supervisord"] = {
        "nodaemon": "true",
        "logfile": str(run_dir / "supervisord.log"),
        "pidfile": str(run_dir / "supervisord.pid"),
        "loglevel": "warn",
    }
    for name, command in programs.items():
        config[f"program:{name}"] = {
            "command": f"/bin/sh -c {shlex.quote('exec ' + command)}".replace("%", "%%"),
            "process_name": "%(program_name)s-%(process_num)d" if name == "worker" else "%(program_name)s",
            "numprocs": str(workers if name == "worker" else 1),
            "numprocs_start": "1",
            "priority": str(PRIORITIES.get(name, 50)),
            "autorestart": "true",
            "startsecs": "1",
            "startretries": str(START_RETRIES),
            "stopwaitsecs": str(STOP_S),
            "stdout_logfile": "/dev/fd/1",
            "stdout_logfile_maxbytes": "0",
            "redirect_stderr": "true",
        }
    text = io.StringIO()
    config.write(text)
    return text.getvalue()
