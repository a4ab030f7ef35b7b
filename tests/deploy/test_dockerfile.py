import http.server
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from deploy.local.program import parse_procfile
from deploy.processes import free_port
from shared.config.settings import Settings, load_settings
from tests.support.processes import ROOT
from tests.support.proxy import START
from tests.support.threads import QuietHandler, serving

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = {
    "api": {"api", "otel"},
    "worker": {"api", "otel", "worker", "onnx"},
    "worker-gpu": {"api", "otel", "worker", "onnx", "gpu"},
    "tasks": {"api", "otel", "tasks"},
    "trainer": {"api", "otel", "worker", "onnx", "train"},
    "flower": {"api", "otel", "flower"},
}
TARGETS = sorted(REQUIREMENTS)


@dataclass
class Stage:
    """One FROM and its instructions, each as (keyword, the rest in one line)."""

    parent: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all_of(self, keyword: str) -> list[str]:
        return [rest for word, rest in self.instructions if word == keyword]


def parse_dockerfile(text: str) -> dict[str, Stage]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        keyword, rest = line.split(maxsplit=1)
        if keyword == "FROM":
            parent, _, name = rest.split()
            stages[name] = stage = Stage(parent)
        else:
            stage.instructions.append((keyword, rest))
    return stages


STAGES = parse_dockerfile((ROOT / "Dockerfile").read_text())


def whole(target: str) -> Stage:
    """Return a target and the stages below it as one stage."""
    stage = STAGES[target]
    if stage.parent not in STAGES:
        return stage
    below = whole(stage.parent)
    return Stage(below.parent, below.instructions + stage.instructions)


def environ_of(target: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(whole(target).all_of("ENV"))))


def command_of(target: str) -> list[str]:
    """Return the CMD. If it were no JSON list, a shell would run it and keep TERM to itself."""
    command: list[str] = json.loads(whole(target).all_of("CMD")[-1])
    return command


def copied_from_here(stage: Stage) -> list[str]:
    return [path for rest in stage.all_of("COPY") if "--from=" not in rest for path in rest.split()[:-1]]


@pytest.fixture
def service() -> Iterator[http.server.HTTPServer]:
    """A server that answers /healthz with 200, and other paths with 404."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.respond(200 if self.path == "/healthz" else 404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield server


def probe(port: int) -> int:
    """Return the exit status of the API's health check, with a proxy variable that leads nowhere."""
    (healthcheck,) = STAGES["api"].all_of("HEALTHCHECK")
    python, *arguments = json.loads(healthcheck.split("CMD", 1)[1])
    assert python == "python"
    environ = {"API_PORT": str(port), "http_proxy": f"http://127.0.0.1:{free_port()}"}
    return subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, check=False).returncode


def test_there_is_an_image_of_every_program() -> None:
    assert set(TARGETS) <= set(STAGES)


def test_everything_copied_is_in_the_repository_and_in_the_build_context() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {path for stage in STAGES.values() for path in copied_from_here(stage)}
    assert {path for path in copied if not (ROOT / path).exists()} == set()
    assert {path.partition("/")[0] for path in copied} == let_in


def test_the_build_context_has_only_the_files_that_are_listed() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"


def test_all_sources_of_the_package_are_copied() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    packages = {package.partition(".")[0] for package in setuptools["packages"]}
    moved = {package: folder.partition("/")[0] for package, folder in setuptools["package-dir"].items()}
    folders = {moved.get(package, package) for package in packages} | set(moved.values())
    files = {"pyproject.toml", "requirements", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert folders | files == set(copied_from_here(STAGES["package"]))


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_the_project_and_no_more_dependencies_than_its_program_needs(target: str) -> None:
    instructions = whole(target).instructions
    lists = [set(re.findall(r"-r \S*?([\w-]+)\.txt", rest)) for word, rest in instructions if word == "RUN"]
    assert set().union(*lists) == REQUIREMENTS[target]
    assert all((ROOT / "requirements" / f"{name}.txt").is_file() for name in REQUIREMENTS[target])
    (install,) = [rest for rest in whole(target).all_of("RUN") if "--find-links /wheels" in rest]
    assert install.split()[-1] == PROJECT["project"]["name"]
    assert "--no-deps" in install


@pytest.mark.parametrize("target", TARGETS)
def test_the_dependencies_have_layers_below_those_that_our_sources_change(target: str) -> None:
    instructions = whole(target).instructions
    sources = next(i for i, (word, rest) in enumerate(instructions) if word == "COPY" and "--from=package" in rest)
    assert not any("-r " in rest for _, rest in instructions[sources:])


@pytest.mark.parametrize("target", TARGETS)
def test_every_version_installed_is_pinned(target: str) -> None:
    installs = [rest for rest in whole(target).all_of("RUN") if "pip install" in rest]
    assert len(installs) >= 2
    assert all(re.search(r"-c (/requirements/)?constraints\.txt", rest) for rest in installs)


@pytest.mark.parametrize("target", TARGETS)
def test_our_own_package_is_never_looked_up_on_an_index(target: str) -> None:
    (install,) = [rest for rest in whole(target).all_of("RUN") if "/wheels" in rest]
    assert "--no-index" in install


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_an_ordinary_user_with_a_number_of_its_own(target: str) -> None:
    words = [word for word, _ in whole(target).instructions]
    user = whole(target).all_of("USER")[-1]
    assert int(user) >= 1000
    assert f"--uid {user} " in " ".join(whole(target).all_of("RUN"))
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :]), "what it cannot write, it does not own"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_writes_only_to_tmp(target: str) -> None:
    environ = environ_of(target)
    assert environ["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environ["HOME"] == "/tmp"  # noqa: S108  # the only place that can be written to
    assert whole(target).all_of("VOLUME") == []


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_its_program_itself_and_not_a_shell(target: str) -> None:
    assert command_of(target)[0] in ("python", "celery")
    assert whole(target).all_of("ENTRYPOINT") == []


def test_the_workers_run_as_the_procfile_runs_them() -> None:
    assert command_of("worker") == command_of("worker-gpu")
    command = " ".join(command_of("worker"))
    assert command.startswith("celery -A worker.app worker --pool solo --hostname worker@%h")
    procfile = parse_procfile((ROOT / "deploy" / "Procfile").read_text())
    for option in ("--pool solo", "--without-mingle", "--without-gossip"):
        assert option in command
        assert option in procfile["worker"]
    for program in ("tasks", "trainer"):
        in_a_container = " ".join(command_of(program))
        assert procfile[program].replace(' --loglevel "${LOG_LEVEL:-info}"', "") == in_a_container


@pytest.mark.parametrize("target", ["api", "worker", "worker-gpu", "trainer"])
def test_the_models_are_where_the_settings_say(target: str) -> None:
    assert "models models/" in whole(target).all_of("COPY")
    assert whole(target).all_of("WORKDIR")[-1] == "/app"
    assert str(load_settings(environ_of(target)).models_dir) == "/app/models"


def test_the_api_listens_beyond_its_container() -> None:
    settings = load_settings(environ_of("api"))
    assert settings.api_host == "0.0.0.0"  # noqa: S104  # inside a container of its own
    assert STAGES["api"].all_of("EXPOSE") == [str(settings.api_port)] == [str(Settings().api_port)]


def test_the_gpu_worker_runs_keras() -> None:
    """A container without a GPU would fall back to LiteRT unnoticed with `auto`."""
    assert load_settings(environ_of("worker-gpu")).engine == "keras"


def test_the_api_is_healthy_while_it_answers_healthz(service: http.server.HTTPServer) -> None:
    assert probe(service.server_port) == 0
    assert probe(free_port()) != 0


def test_the_proxy_runs_as_an_ordinary_user_and_is_healthy_while_an_api_process_answers_behind_it() -> None:
    stage = STAGES["proxy"]
    assert re.fullmatch(r"nginx:\d+\.\d+-alpine", stage.parent)
    assert copied_from_here(stage) == ["deploy/nginx"]
    assert stage.all_of("USER") == ["nginx"], "as which the image's own nginx would run its workers"
    assert json.loads(stage.all_of("ENTRYPOINT")[0]) == []
    assert json.loads(stage.all_of("CMD")[0]) == ["sh", "/proxy/start.sh"]
    assert stage.all_of("STOPSIGNAL") == ["SIGQUIT"], "at which nginx finishes what is under way"
    script = START.read_text()
    for port in stage.all_of("EXPOSE")[0].split():
        assert f"_LISTEN:-{port}}}" in script
    assert "http://127.0.0.1:8080/healthz" in stage.all_of("HEALTHCHECK")[0]
    assert "RUN_DIR:-/tmp/" in script, "the one place that it can write to"


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/Procfile"])
def test_flower_keeps_a_bounded_number_of_batches_and_workers(file: str) -> None:
    (line,) = [line for line in (ROOT / file).read_text().splitlines() if "worker.flower" in line]
    assert "--max-tasks=10000" in line
    assert "--purge-offline-workers=3600" in line
