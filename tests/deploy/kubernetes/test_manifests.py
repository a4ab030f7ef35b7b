"""deploy/kubernetes against the schemas of Kubernetes itself, as files and as kustomize makes them."""

import functools
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from tests.deploy.kubernetes.manifests import BASE, CORE, GPU, MANIFESTS, PODS, VERSIONS, Manifest, built, kind_of, one

# Otherwise each validation would parse all definitions of Kubernetes.
utils.schema_contents = functools.cache(utils.schema_contents)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", CORE, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_accepts_a_manifest(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_manifest_with_an_unknown_field_would_be_refused() -> None:
    wrong = {**one("Service", "api"), "spec": {"selektor": {"app": "api"}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selektor"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", [BASE, GPU], ids=["base", "gpu"])
def test_kubernetes_accepts_the_output_of_kustomize(folder: Path) -> None:
    manifests = built(folder)
    assert len(manifests) == len(MANIFESTS) - 1, "all but the example of a secret"
    for manifest in manifests:
        assert manifest["metadata"].get("namespace", manifest["metadata"]["name"]) == "mnistified"
        if not manifest["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_every_file_is_in_the_kustomization_but_the_example_of_a_secret() -> None:
    listed = set(yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"])
    there = {file.name for file in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert there - listed == {"secret.example.yaml"}
    assert listed <= there


def test_every_selector_finds_a_pod() -> None:
    apps = {name: one(kind_of(name), name)["spec"]["template"]["metadata"]["labels"]["app"] for name in PODS}
    assert apps == {name: name for name in PODS}
    selected = {app for manifest in MANIFESTS for app in re.findall(r"'matchLabels': {'app': '(\w+)'}", str(manifest))}
    selected |= {manifest["spec"]["selector"]["app"] for manifest in MANIFESTS if manifest["kind"] == "Service"}
    assert selected == set(PODS)


@pytest.mark.parametrize("folder", [BASE, GPU], ids=["base", "gpu"])
def test_every_image_has_its_version(folder: Path) -> None:
    images = re.findall(r"'image': '([^']+)'", str(built(folder)))
    assert len(images) == 5
    assert all(re.search(r":v?\d+\.\d+", image) for image in images), images


def test_each_gpu_worker_has_a_gpu_of_its_own() -> None:
    (worker,) = [each for each in built(GPU) if (each["kind"], each["metadata"]["name"]) == ("Deployment", "worker")]
    pod = worker["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "worker-gpu:" in pod["containers"][0]["image"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True, "the rest is the base's"
