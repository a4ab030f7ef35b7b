"""Reads deploy/kubernetes."""

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.proxy import START

Manifest = dict[str, Any]

FOLDER = START.parent.parent / "kubernetes"
BASE, GPU = FOLDER / "base", FOLDER / "gpu"
VERSIONS = ["1.30", "1.34", "1.37"]
KEDA = {
    "ScaledObject": {
        *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "fallback"),
        *("advanced", "triggers"),
    },
    "TriggerAuthentication": {"secretTargetRef"},
}
PROGRAMS = ["api", "worker", "tasks", "flower"]
PODS = [*PROGRAMS, "redis"]


def read_all(text: str) -> list[Manifest]:
    return list(yaml.load_all(text, yaml.CSafeLoader))


def manifests_of(folder: Path) -> list[Manifest]:
    files = sorted(file for file in folder.glob("*.yaml") if file.name != "kustomization.yaml")
    return [manifest for file in files for manifest in read_all(file.read_text())]


MANIFESTS = manifests_of(BASE)
OURS = [manifest for manifest in MANIFESTS if manifest["apiVersion"].startswith("keda.sh/")]
CORE = [manifest for manifest in MANIFESTS if manifest not in OURS]


def one(kind: str, name: str) -> Manifest:
    (found,) = [each for each in MANIFESTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def kind_of(name: str) -> str:
    return "StatefulSet" if name == "redis" else "Deployment"


def pod_of(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = one(kind_of(name), name)["spec"]["template"]["spec"]
    return spec


def container_of(name: str) -> dict[str, Any]:
    (container,) = pod_of(name)["containers"]
    assert container["name"] == name
    found: dict[str, Any] = container
    return found


@functools.cache
def built(folder: Path) -> list[Manifest]:
    """Return the manifests as `kubectl apply -k` sends them."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return read_all(done.stdout)
