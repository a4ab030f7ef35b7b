"""The scaling of the workers of deploy/kubernetes, and the network policies."""

import signal

import pytest

from api.app import ROUTES
from shared.config.settings import Settings
from shared.contract.lane import LANES
from shared.redis import keys
from tests.deploy.kubernetes.manifests import KEDA, MANIFESTS, OURS, PROGRAMS, Manifest, one
from tests.support.system import System


@pytest.mark.parametrize("manifest", OURS, ids=lambda each: str(each["kind"]))
def test_a_keda_manifest_has_only_fields_that_keda_knows(manifest: Manifest) -> None:
    """No Python package has KEDA's schema: its names are listed here."""
    assert manifest["apiVersion"] == "keda.sh/v1alpha1"
    assert set(manifest["spec"]) <= KEDA[manifest["kind"]]


def test_keda_adds_up_every_stream_of_the_default_model() -> None:
    spec = one("ScaledObject", "worker")["spec"]
    streams = [trigger["metadata"]["stream"] for trigger in spec["triggers"]]
    model = Settings().default_model
    assert streams == [stream for lane in LANES for stream in keys.streams(model, lane)]
    modifiers = spec["advanced"]["scalingModifiers"]
    assert set(modifiers) == {"formula", "target", "metricType"}
    assert modifiers["formula"].split(" + ") == [trigger["name"] for trigger in spec["triggers"]]
    for trigger in spec["triggers"]:
        assert trigger["type"] == "redis-streams"
        assert set(trigger["metadata"]) == {"address", "stream", "streamLength"}
        assert trigger["authenticationRef"]["name"] == one("TriggerAuthentication", "redis")["metadata"]["name"]
    assert spec["scaleTargetRef"]["name"] == one("Deployment", "worker")["metadata"]["name"]
    assert spec["minReplicaCount"] >= 1, "the API takes nothing while it hears of no worker"
    assert "replicas" not in one("Deployment", "worker")["spec"], "each apply would undo what KEDA did"


@pytest.mark.slow
def test_the_length_of_these_streams_is_the_waiting_work(system: System) -> None:
    triggers = one("ScaledObject", "worker")["spec"]["triggers"]
    streams = [trigger["metadata"]["stream"] for trigger in triggers]

    def waiting() -> int:
        return sum(system.redis.xlen(stream) for stream in streams)

    worker = system.workers["worker-1"]
    worker.signal(signal.SIGSTOP)
    try:
        job_ids = [system.submit(json={"start": 0, "stop": 20}) for _ in range(3)]
        assert waiting() == 3
    finally:
        worker.signal(signal.SIGCONT)
    for job_id in job_ids:
        system.finished(job_id)
    assert waiting() == 0


def test_every_route_but_the_metrics_is_reached_from_outside() -> None:
    (rule,) = one("Ingress", "api")["spec"]["rules"]
    paths = [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]

    def is_reached(route: str) -> bool:
        return any(route == path or (kind == "Prefix" and route.startswith(path + "/")) for path, kind in paths)

    for route in {route.path for route in ROUTES}:
        assert is_reached(route) == (not route.startswith("/metrics")), route


def test_the_ingress_has_the_limits_of_our_own_proxy() -> None:
    annotations = {
        name.rpartition("/")[2]: value for name, value in one("Ingress", "api")["metadata"]["annotations"].items()
    }
    settings = Settings()
    assert annotations["proxy-body-size"] == f"{settings.max_upload_bytes >> 30}g"
    assert annotations["proxy-request-buffering"] == annotations["proxy-buffering"] == "off"
    assert int(annotations["proxy-read-timeout"]) > settings.max_wait_s
    assert int(annotations["proxy-send-timeout"]) > settings.upload_stall_s


def test_only_its_users_reach_redis_and_only_callbacks_reach_the_internet() -> None:
    (ingress,) = one("NetworkPolicy", "redis")["spec"]["ingress"]
    assert ingress["from"][0]["podSelector"]["matchExpressions"][0]["values"] == PROGRAMS
    assert one("NetworkPolicy", "nothing-else")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    world = [policy for policy in MANIFESTS if "ipBlock" in str(policy)]
    assert [policy["spec"]["podSelector"]["matchLabels"]["app"] for policy in world] == ["tasks"]
