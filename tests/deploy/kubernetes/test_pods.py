"""The pods of deploy/kubernetes: restrictions, settings, probes and shutdown."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from api.__main__ import SHUTDOWN_S
from shared.config.settings import Settings, load_settings
from tests.deploy.kubernetes.manifests import BASE, PODS, PROGRAMS, container_of, one, pod_of
from tests.deploy.test_compose import SERVICES, THIRD_PARTY, seconds
from worker.service import WARM_STOP_S


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_as_restricted_as_the_namespace_requires(name: str) -> None:
    pod, container = pod_of(name), container_of(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert one("Namespace", "mnistified")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", PROGRAMS)
def test_our_programs_run_as_their_images_user_with_a_place_to_write_and_no_variables_of_services(name: str) -> None:
    pod, container = pod_of(name), container_of(name)
    assert pod["securityContext"]["runAsUser"] == 10001
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]  # noqa: S108  # of a container's own
    assert pod["enableServiceLinks"] is False, "API_PORT=tcp://… would refuse to start"


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_variable_is_a_setting_or_belongs_to_another_program(name: str) -> None:
    container = container_of(name)
    names = {variable["name"] for variable in container["env"]}
    if "envFrom" in container:
        names |= set(one("ConfigMap", "settings")["data"])
    assert names <= {name.upper() for name in Settings.__dataclass_fields__} | set(THIRD_PARTY)
    assert "REDIS_URL" in names


def test_the_settings_and_the_example_of_a_secret_can_be_used() -> None:
    secret = yaml.safe_load((BASE / "secret.example.yaml").read_text())["stringData"]
    settings = load_settings({**one("ConfigMap", "settings")["data"], **secret}, redis_url_file=Path("none"))
    assert f":{secret['REDIS_PASSWORD']}@redis:6379" in settings.redis_url
    for name in PROGRAMS:
        for variable in container_of(name)["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            assert reference is None or (reference["name"] == "mnistified" and reference["key"] in secret)


def test_no_pod_is_killed_before_its_work_can_finish() -> None:
    pause_s = int(container_of("api")["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod_of("api")["terminationGracePeriodSeconds"] > pause_s + SHUTDOWN_S
    assert pod_of("worker")["terminationGracePeriodSeconds"] > WARM_STOP_S
    for name in ("worker", "tasks"):
        assert pod_of(name)["terminationGracePeriodSeconds"] >= seconds(SERVICES[name]["stop_grace_period"])


def test_the_api_has_probes_for_liveness_and_readiness() -> None:
    container = container_of("api")
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert container["ports"] == [{"name": "http", "containerPort": Settings().api_port}]


def test_a_worker_is_probed_at_its_metrics_port() -> None:
    container = container_of("worker")
    assert container["ports"] == [{"name": "metrics", "containerPort": Settings().metrics_port}]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/metrics", "port": "metrics"}


def test_a_workers_engines_are_those_of_its_limit_and_not_of_its_node() -> None:
    (threads,) = [each for each in container_of("worker")["env"] if each["name"] == "ENGINE_THREADS"]
    assert threads["valueFrom"]["resourceFieldRef"] == {"containerName": "worker", "resource": "limits.cpu"}


def test_redis_keeps_its_data_and_evicts_nothing_and_its_password_is_in_no_argument(tmp_path: Path) -> None:
    server = tmp_path / "valkey-server"
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat\n')
    server.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_PASSWORD": "0123abcd"}
    ended = subprocess.run(
        container_of("redis")["command"], env=environ, capture_output=True, text=True, check=True, timeout=10
    )
    config_file, *args, config = ended.stdout.splitlines()
    assert (config_file, config) == ("-", 'requirepass "0123abcd"')
    options = dict(zip(args[::2], args[1::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "noeviction")
    (claim,) = one("StatefulSet", "redis")["spec"]["volumeClaimTemplates"]
    assert container_of("redis")["volumeMounts"] == [{"name": claim["metadata"]["name"], "mountPath": "/data"}]
    limit_gib = int(container_of("redis")["resources"]["limits"]["memory"].removesuffix("Gi"))
    assert int(options["--maxmemory"].removesuffix("gb")) < limit_gib
    assert container_of("redis")["image"] == SERVICES["redis"]["image"]


@pytest.mark.parametrize("name", ["api", "worker", "redis"])
def test_a_drain_of_a_node_leaves_enough(name: str) -> None:
    assert one("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == {"app": name}
