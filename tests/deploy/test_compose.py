import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.__main__ import SHUTDOWN_S
from deploy.local.supervise import STOP_S
from deploy.redis_server import redis_command
from shared.config.settings import Settings, load_settings
from tests.support.processes import ROOT
from tests.support.proxy import START

Service = dict[str, Any]

# Settings of other programs, and whose they are.
THIRD_PARTY = {
    "CELERY_WORKER_LOGLEVEL": "celery worker --loglevel",
    "FLOWER_BASIC_AUTH": "flower --basic-auth",
    "FLOWER_URL_PREFIX": "flower --url-prefix",
    "OTEL_TRACES_SAMPLER": "opentelemetry-sdk",
    "OTEL_TRACES_SAMPLER_ARG": "opentelemetry-sdk",
}
PROGRAMS = ["api", "worker", "tasks", "flower"]
FOREIGN = {"redis": "valkey", "prometheus": "nobody", "grafana": "472"}  # images of others, and the users in them
ALL = ["proxy", *PROGRAMS, *FOREIGN]


def merge(base: Any, override: Any) -> Any:
    """Merge as Compose does: mappings by key, lists appended, other values replaced."""
    if isinstance(base, dict) and isinstance(override, dict):
        merged = {key: merge(base[key], override[key]) for key in base.keys() & override.keys()}
        return {**base, **override, **merged}
    if isinstance(base, list) and isinstance(override, list):
        return [*base, *override]
    return override


def services_of(text: str) -> dict[str, Service]:
    """The services when none of the variables in the file is set."""
    services: dict[str, Service] = yaml.safe_load(filled_in(text))["services"]
    return services


def filled_in(text: str) -> str:
    return re.sub(r"\$\{\w+:\+[^}]*\}", "", re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES = services_of(TEXT)
GPU_SERVICES = services_of((ROOT / "deploy/compose/gpu.yml").read_text())
TRAINER_TEXT = (ROOT / "deploy/compose/trainer.yml").read_text()
TRAINER_SERVICES = services_of(TRAINER_TEXT)
WITH_GPU: dict[str, Service] = merge(SERVICES, GPU_SERVICES)
TARGETS = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


@pytest.mark.parametrize("name", ["docker-compose.yml", "deploy/compose/gpu.yml", "deploy/compose/trainer.yml"])
def test_a_file_follows_the_specification(name: str) -> None:
    """Parse with the Compose Specification's own parser, which knows every key. Its import takes half a second."""
    from compose_spec import PyOptions

    options = PyOptions()
    options.apply_merge = True
    compose = options.from_yaml(filled_in((ROOT / name).read_text()))
    assert set(compose.service_names()) == set(services_of((ROOT / name).read_text()))
    if name == "docker-compose.yml":
        compose.validate()


def test_the_services_are_the_proxy_our_four_programs_and_what_they_use() -> None:
    assert set(SERVICES) == set(WITH_GPU) == set(ALL)


def test_only_the_proxy_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"proxy": [f"127.0.0.1:{Settings().api_port}:8080", "127.0.0.1:8443:8443"]}
    assert not any("network_mode" in service for service in SERVICES.values())
    assert '"127.0.0.1:${HTTP_PORT' in TEXT, "the plain port is opened to no others by any variable"


def test_redis_and_the_workers_have_no_connection_to_the_outside() -> None:
    networks = yaml.safe_load(TEXT)["networks"]
    assert networks["back"] == {"internal": True}
    inside = {name for name, service in SERVICES.items() if service["networks"] == ["back"]}
    assert inside == {"redis", "worker", "prometheus"}
    assert SERVICES["proxy"]["networks"] == ["front"], "whoever breaks into it is not beside Redis"


def test_the_proxy_has_the_limits_of_the_api() -> None:
    proxy, api = SERVICES["proxy"]["environment"], SERVICES["api"]["environment"]
    limits = yaml.safe_load(filled_in(TEXT))["x-limits"]
    assert limits.items() <= proxy.items()
    assert limits.items() <= api.items()
    script = START.read_text()
    assert all(f"${{{name}:-" in script for name in {*proxy}), "each one is read"
    settings = load_settings({name: str(value) for name, value in limits.items()}, redis_url_file=Path("none"))
    assert settings == Settings(), "unset, they are the defaults"


def test_flower_and_grafana_are_behind_the_proxy_if_they_have_a_password() -> None:
    assert "FLOWER_GUARDED: ${FLOWER_BASIC_AUTH:+yes}" in TEXT
    assert "GRAFANA_GUARDED: ${GRAFANA_PASSWORD:+yes}" in TEXT
    assert SERVICES["flower"]["environment"]["FLOWER_URL_PREFIX"] == "flower"
    assert SERVICES["grafana"]["environment"]["GF_SERVER_ROOT_URL"].endswith("/grafana/")


def test_there_are_several_api_processes() -> None:
    assert SERVICES["api"]["deploy"]["replicas"] > 1
    assert not {"container_name", "hostname", "ports"} & set(SERVICES["api"])


def test_every_image_of_others_has_its_version() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if "image" in service}
    assert set(images) == set(FOREIGN)
    assert all(re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", image) for image in images.values()), images


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_variable_is_a_setting_with_a_value_that_can_be_used(program: str) -> None:
    environ = {key: str(value or "") for key, value in WITH_GPU[program].get("environment", {}).items()}
    known = {name.upper() for name in Settings.__dataclass_fields__} | set(THIRD_PARTY)
    assert set(environ) <= known
    load_settings(environ, redis_url_file=Path("none"))


@pytest.mark.parametrize("program", ["api", "worker"])
def test_programs_with_traces_know_the_collector(program: str) -> None:
    set_to = TEXT.replace("${OTEL_EXPORTER_OTLP_ENDPOINT:-}", "http://collector:4318")
    environ = {key: str(value or "") for key, value in services_of(set_to)[program]["environment"].items()}
    assert load_settings(environ, Path("none")).otel_exporter_otlp_endpoint == "http://collector:4318"
    assert not SERVICES[program]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]


def test_keys_and_passwords_come_from_the_environment_and_are_in_no_file() -> None:
    assert re.findall(r"API_KEYS: (\S+)", TEXT) == ["${API_KEYS:-}"]
    assert SERVICES["flower"]["environment"]["FLOWER_BASIC_AUTH"] is None, "an empty one would be a password to Flower"
    for program, environment in ((name, SERVICES[name]["environment"]) for name in PROGRAMS):
        assert ("API_KEYS" in environment) == (program == "api")
        assert ("FLOWER_BASIC_AUTH" in environment) == (program == "flower")


@pytest.mark.parametrize("name", ALL)
def test_no_container_runs_as_root(name: str) -> None:
    """Our Dockerfile sets a user, and Compose does not override it."""
    assert SERVICES[name].get("user") == FOREIGN.get(name)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_uses_the_redis_of_the_file_once_it_answers(program: str) -> None:
    assert SERVICES[program]["environment"]["REDIS_URL"] == "redis://redis:6379/0"
    assert SERVICES[program]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_redis_is_healthy_only_when_it_answers() -> None:
    kind, command = SERVICES["redis"]["healthcheck"]["test"]
    assert (kind, command) == ("CMD-SHELL", "valkey-cli ping | grep -q PONG")


def test_redis_runs_as_it_does_without_containers() -> None:
    here = redis_command(Path("valkey-server"), 6379, Path("/data"))
    options = dict(zip(here[1::2], here[2::2], strict=True))
    command = SERVICES["redis"]["command"]
    assert command[0] == "valkey-server"
    there = dict(zip(command[1::2], command[2::2], strict=True))
    assert there.pop("--maxmemory") == "0", "no limit by default"
    same = ("--appendonly", "--save", "--auto-aof-rewrite-min-size", "--maxmemory-policy")
    assert there == {key: options[key] for key in same}


def test_the_data_of_redis_outlives_its_container() -> None:
    (volume,) = SERVICES["redis"]["volumes"]
    name, path = volume.split(":")
    assert path == "/data"
    assert name in yaml.safe_load(TEXT)["volumes"]


@pytest.mark.parametrize("services", [SERVICES, WITH_GPU], ids=["cpu", "gpu"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_is_built_from_a_target_of_the_dockerfile(services: dict[str, Service], program: str) -> None:
    build = services[program]["build"]
    assert build["context"] == "."
    assert build["target"] in TARGETS


@pytest.mark.parametrize("service", [SERVICES["worker"], WITH_GPU["worker"]], ids=["cpu", "gpu"])
def test_there_can_be_any_number_of_workers(service: Service) -> None:
    """A fixed name, host name or port would allow only one."""
    assert not {"container_name", "hostname", "ports", "network_mode", "scale"} & set(service)


@pytest.mark.parametrize("name", ALL)
def test_a_container_can_write_nothing_that_lasts_and_gains_nothing(name: str) -> None:
    service = WITH_GPU[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]  # noqa: S108  # in a container of its own
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)


@pytest.mark.parametrize("name", ALL)
def test_a_container_that_dies_is_restarted(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_no_container_is_killed_before_its_work_can_finish() -> None:
    assert seconds(SERVICES["api"]["stop_grace_period"]) > SHUTDOWN_S
    assert seconds(SERVICES["proxy"]["stop_grace_period"]) >= seconds(SERVICES["api"]["stop_grace_period"])
    assert seconds(SERVICES["worker"]["stop_grace_period"]) >= STOP_S
    assert seconds(SERVICES["tasks"]["stop_grace_period"]) > Settings().webhook_timeout_s


def test_the_api_accepts_the_callbacks_that_the_tasks_worker_sends() -> None:
    api, tasks = SERVICES["api"]["environment"], SERVICES["tasks"]["environment"]
    both = {name for name in tasks if name.startswith("WEBHOOK_")}
    assert both == {name for name in api if name.startswith("WEBHOOK_")}
    assert "WEBHOOK_SECRET" in both
    assert "${WEBHOOK_SECRET:-}" in TEXT, "a secret comes from outside"


def test_the_test_set_can_be_mounted_as_the_comment_says() -> None:
    api = services_of(re.sub(r"# (?=MNIST_DIR:|volumes:)", "", TEXT))["api"]
    assert api["volumes"] == [f"./data/mnist:{api['environment']['MNIST_DIR']}:ro"]


def test_the_override_changes_nothing_but_the_worker() -> None:
    assert set(GPU_SERVICES) == {"worker"}


def test_with_a_gpu_a_worker_reserves_one_and_runs_an_image_of_its_own() -> None:
    worker = WITH_GPU["worker"]
    assert worker["build"] == {"context": ".", "target": "worker-gpu"}
    assert worker["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]
    assert worker["image"] != SERVICES["worker"].get("image"), "else the other one, once built, would be taken for it"
    assert worker["stop_grace_period"] == SERVICES["worker"]["stop_grace_period"]


def test_with_a_trainer_api_and_worker_read_the_registry_that_it_writes() -> None:
    assert set(TRAINER_SERVICES) == {"api", "worker", "trainer"}
    for reader in ("api", "worker"):
        (mount,) = TRAINER_SERVICES[reader]["volumes"]
        assert (mount["source"], mount["target"], mount["read_only"]) == ("models", "/app/models", True)
        assert mount["volume"] == {"nocopy": True}, "what they fill would not be the trainer's to write"
        assert merge(SERVICES[reader], TRAINER_SERVICES[reader])["depends_on"].keys() == {"redis", "trainer"}
    assert "models:/app/models" in TRAINER_SERVICES["trainer"]["volumes"]
    assert set(yaml.safe_load(TRAINER_TEXT)["volumes"]) == {"models", "trainings"}


def test_the_trainer_is_as_hardened_as_the_rest_and_its_variables_are_settings() -> None:
    trainer = TRAINER_SERVICES["trainer"]
    for option in ("restart", "read_only", "tmpfs", "cap_drop", "security_opt"):
        assert trainer[option] == SERVICES["worker"][option]
    assert trainer["networks"] == SERVICES["worker"]["networks"]
    assert trainer["build"] == {"context": ".", "target": "trainer"}
    assert "trainer" in TARGETS
    environ = trainer["environment"]
    assert set(environ) <= {name.upper() for name in Settings.__dataclass_fields__} | set(THIRD_PARTY)
    settings = load_settings(environ, redis_url_file=Path("none"))
    assert f"trainings:{settings.trainer_dir}" in trainer["volumes"]
    assert f"./data/mnist:{settings.mnist_dir}:ro" in trainer["volumes"]
    assert seconds(trainer["stop_grace_period"]) >= STOP_S
