"""Regraft's patches against what upstream releases, where the variables *_MANIFEST name its files on this machine."""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.unit.k8s.rendered import ROOT, Object, kustomize, name_of, needs_kubectl

PLATFORM = ROOT / "k8s/platform"
VERSIONS = dict(
    line.split("=", 1) for line in (ROOT / "k8s/versions.env").read_text().splitlines() if re.match(r"\w+=", line)
)
SOURCES = {"argo-workflows": "ARGO_WORKFLOWS_MANIFEST", "kserve": "KSERVE_MANIFEST"}


def upstream(variable: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not path.is_file():
        pytest.skip(f"{variable} names no file")
    return path


@functools.cache
def built(name: str) -> tuple[Object, ...]:
    """Return upstream's objects with Regraft's patches. KServe's are five megabytes: half a minute."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / name
        shutil.copytree(PLATFORM / name, copy)
        shutil.copy(upstream(SOURCES[name]), copy / "upstream.yaml")
        return kustomize(copy)


@needs_kubectl
@pytest.mark.parametrize("name", SOURCES)
def test_every_namespace_is_made(name: str) -> None:
    objects = built(name)
    made = {name_of(each) for each in objects if each["kind"] == "Namespace"}
    assert {each["metadata"]["namespace"] for each in objects if "namespace" in each["metadata"]} <= made


@needs_kubectl
@pytest.mark.parametrize("name", SOURCES)
def test_every_patch_meets_its_object(name: str) -> None:
    before = _objects(upstream(SOURCES[name]))
    after = {(each["kind"], name_of(each)): each for each in built(name)}
    kustomization = yaml.safe_load((PLATFORM / name / "kustomization.yaml").read_text())
    for patch in kustomization["patches"]:
        target = patch.get("target") or _target(PLATFORM / name / patch["path"])
        met = [key for key in before if re.fullmatch(target["kind"], key[0]) and re.fullmatch(target["name"], key[1])]
        assert met, f"{target} is not in upstream's release"
        assert all(after.get(key) != before[key] for key in met), f"{target} is as it was"


@needs_kubectl
def test_no_controller_is_left_whose_objects_are_taken_out() -> None:
    """A webhook without a server refuses what it is asked about."""
    objects = built("kserve")
    running = {name_of(each) for each in objects if each["kind"] == "Deployment"}
    assert running == {"kserve-controller-manager"}
    services = {
        hook["clientConfig"]["service"]["name"]
        for each in objects
        if each["kind"].endswith("WebhookConfiguration")
        for hook in each["webhooks"]
    }
    assert services == {"kserve-webhook-server-service"}


@pytest.mark.parametrize(
    ("variable", "version", "image"),
    [
        ("ARGO_WORKFLOWS_MANIFEST", "ARGO_WORKFLOWS_VERSION", "quay.io/argoproj/workflow-controller"),
        ("KSERVE_MANIFEST", "KSERVE_VERSION", "kserve/kserve-controller"),
        ("CERT_MANAGER_MANIFEST", "CERT_MANAGER_VERSION", "quay.io/jetstack/cert-manager-controller"),
    ],
)
def test_the_pinned_version_is_the_released_one(variable: str, version: str, image: str) -> None:
    assert f"{image}:{VERSIONS[version]}" in upstream(variable).read_text()


def test_the_definitions_are_there_that_manifests_use() -> None:
    definitions = {each[1] for each in _objects(upstream("KSERVE_CRDS_MANIFEST"))}
    assert {"inferenceservices.serving.kserve.io", "servingruntimes.serving.kserve.io"} <= definitions


def test_deployments_that_are_waited_for_are_there() -> None:
    script = (ROOT / "k8s/scripts/up.sh").read_text()
    for variable, namespace in {
        "CERT_MANAGER_MANIFEST": "cert-manager",
        "ARGO_WORKFLOWS_MANIFEST": "argo",
        "KSERVE_MANIFEST": "kserve",
    }.items():
        objects = _objects(upstream(variable))
        (waited,) = re.findall(rf"rolled_out {namespace} (.+)", script)
        assert {("Deployment", name) for name in waited.split()} <= objects.keys()


def test_the_version_that_is_installed_is_known_good() -> None:
    assert VERSIONS["ARGO_WORKFLOWS_VERSION"] in VERSIONS["ARGO_WORKFLOWS_KNOWN_GOOD"].split(",")


def test_operators_read_which_releases_are_known_good() -> None:
    table = re.findall(r"^\| ([\d.]+) \| known good \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert [f"v{release}" for release in table] == VERSIONS["ARGO_WORKFLOWS_KNOWN_GOOD"].split(",")


@functools.cache
def _objects(path: Path) -> dict[tuple[str, str], Object]:
    documents = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    return {(each["kind"], name_of(each)): each for each in documents if each}


def _target(path: Path) -> dict[str, str]:
    patch = yaml.safe_load(path.read_text())
    return {"kind": patch["kind"], "name": name_of(patch)}
