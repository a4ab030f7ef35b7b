import configparser
import shlex
from pathlib import Path

import pytest

from deploy.supervise import PRIORITIES, parse_procfile, supervisor_config
from tests.support.processes import ROOT

OUR_PROCFILE = (ROOT / "deploy" / "Procfile").read_text()


def config_of(programs: dict[str, str], workers: int = 1) -> configparser.RawConfigParser:
    config = configparser.RawConfigParser()
    config.read_string(supervisor_config(programs, workers, Path("run")))
    return config


def shell_of(config: configparser.RawConfigParser, program: str) -> list[str]:
    """Return the command that the supervisor executes: it expands `%`, then splits as a shell would."""
    return shlex.split(config[f"program:{program}"]["command"] % {})


def test_a_line_is_a_name_and_a_command() -> None:
    assert parse_procfile("web: serve --port 80\nbg-jobs:run it: now\n") == {
        "web": "serve --port 80",
        "bg-jobs": "run it: now",
    }


def test_comments_and_blank_lines_are_ignored() -> None:
    assert parse_procfile("# what runs\n\n  \nweb: serve\n") == {"web": "serve"}


@pytest.mark.parametrize("line", ["no colon", "Upper: case", ": nothing", "web:", "two words: x"])
def test_a_line_that_is_neither_is_refused_and_shown(line: str) -> None:
    with pytest.raises(ValueError, match=f"Procfile: '{line}' is not"):
        parse_procfile(f"web: serve\n{line}\n")


def test_the_repository_runs_redis_the_api_all_kinds_of_worker_and_flower() -> None:
    kinds = ["redis", "api", "worker", "tasks", "trainer", "door", "flower"]
    assert list(parse_procfile(OUR_PROCFILE)) == kinds


def test_the_repository_starts_redis_first_and_stops_it_last() -> None:
    config = config_of(parse_procfile(OUR_PROCFILE))
    priorities = {name: int(config[f"program:{name}"]["priority"]) for name in PRIORITIES}
    assert min(priorities, key=priorities.__getitem__) == "redis"
    assert len(set(priorities.values())) == len(priorities)


def test_only_workers_are_started_more_than_once_and_have_a_number_in_their_name() -> None:
    config = config_of(parse_procfile(OUR_PROCFILE), workers=3)
    assert {name: config[f"program:{name}"]["numprocs"] for name in PRIORITIES} == {
        "redis": "1",
        "api": "1",
        "worker": "3",
        "tasks": "1",
        "trainer": "1",
        "door": "1",
        "flower": "1",
    }
    assert "%(process_num)d" in config["program:worker"]["process_name"]
    assert "%(process_num)d" not in config["program:api"]["process_name"]


def test_a_percent_sign_reaches_the_program_as_it_is_written() -> None:
    config = config_of({"worker": "celery --hostname x@%h --format %(message)s"})
    assert shell_of(config, "worker") == ["/bin/sh", "-c", "exec celery --hostname x@%h --format %(message)s"]


def test_quotes_and_variables_are_left_to_the_shell() -> None:
    command = """serve --name "${NAME:-it's}" '$5'"""
    assert shell_of(config_of({"web": command}), "web") == ["/bin/sh", "-c", f"exec {command}"]


def test_a_program_that_dies_is_restarted_and_logs_to_our_output() -> None:
    config = config_of(parse_procfile(OUR_PROCFILE))
    for name in PRIORITIES:
        program = config[f"program:{name}"]
        assert program["autorestart"] == "true"
        assert program["stdout_logfile"] == "/dev/fd/1"
        assert program["redirect_stderr"] == "true"


def test_the_supervisors_own_files_are_in_the_run_directory() -> None:
    config = config_of({"web": "serve"})
    assert config["supervisord"]["pidfile"] == "run/supervisord.pid"
    assert config["supervisord"]["logfile"] == "run/supervisord.log"
