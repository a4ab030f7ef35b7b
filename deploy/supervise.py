"""From the Procfile to the supervisor's configuration: pure text."""

import configparser
import io
import re
import shlex
from pathlib import Path

# Started in this order, stopped in the reverse.
PRIORITIES = {"redis": 1, "api": 20, "worker": 30, "tasks": 35, "trainer": 37, "flower": 40}
STOP_S = 45  # longer than a worker's warm stop and the API's longest wait
START_RETRIES = 20

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9-]*):\s*(?P<command>.+)")


def parse_procfile(text: str) -> dict[str, str]:
    """Program name -> shell command. Raises ValueError naming a line that is neither."""
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
    """Everything in the foreground, every log on our own output, whatever dies started anew."""
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
