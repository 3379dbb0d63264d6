"""Who may do what, and what the cluster's own tools see."""

from __future__ import annotations

import json
import subprocess
import warnings
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import NAMESPACE, eventually, get, kubectl
from tests.e2e.conftest import Installation

ACCOUNTS = ("regraft-trigger", "regraft-step", "regraft-deploy", "regraft-predictor")

ALLOWED = {
    ("create", "workflows.argoproj.io"): {"regraft-trigger"},
    ("get", "workflows.argoproj.io"): {"regraft-trigger"},
    ("list", "workflows.argoproj.io"): {"regraft-trigger"},
    ("watch", "workflows.argoproj.io"): {"regraft-trigger"},
    ("delete", "workflows.argoproj.io"): set(),
    ("patch", "workflows.argoproj.io"): set(),
    ("create", "workflowtaskresults.argoproj.io"): {"regraft-step", "regraft-deploy"},
    ("patch", "workflowtaskresults.argoproj.io"): {"regraft-step", "regraft-deploy"},
    ("get", "workflowtemplates.argoproj.io"): set(),
    ("get", "inferenceservices.serving.kserve.io"): {"regraft-deploy"},
    ("patch", "inferenceservices.serving.kserve.io"): {"regraft-deploy"},
    ("update", "inferenceservices.serving.kserve.io"): set(),
    ("create", "inferenceservices.serving.kserve.io"): set(),
    ("delete", "inferenceservices.serving.kserve.io"): set(),
    ("get", "deployments.apps"): {"regraft-deploy"},
    ("patch", "deployments.apps"): set(),
    ("list", "pods"): {"regraft-deploy"},
    ("create", "pods"): set(),
    ("create", "pods/exec"): set(),
    ("get", "pods/log"): set(),
    ("get", "secrets"): set(),
    ("list", "configmaps"): set(),
    ("impersonate", "serviceaccounts"): set(),
    ("create", "rolebindings.rbac.authorization.k8s.io"): set(),
}


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("namespace", [NAMESPACE, "default"])
def test_accounts_may_do_what_they_need_and_nothing_else(account: str, namespace: str) -> None:
    name = f"system:serviceaccount:{NAMESPACE}:{account}"
    wanted = {each for each, accounts in ALLOWED.items() if account in accounts and namespace == NAMESPACE}
    found = {
        (verb, kind)
        for verb, kind in ALLOWED
        if kubectl("auth", "can-i", verb, kind, "--as", name, namespace=namespace, check=False).strip() == "yes"
    }
    assert found == wanted


@pytest.mark.parametrize("overlay", ["kind", "production"])
def test_the_api_server_admits_the_manifests(overlay: str) -> None:
    options = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server")
    kubectl("apply", *options, "--kustomize", f"k8s/overlays/{overlay}")


def test_applying_everything_again_changes_nothing() -> None:
    before = _applied_objects()
    kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", "k8s/overlays/kind")
    assert _applied_objects() == before


def test_the_namespace_takes_restricted_pods_only() -> None:
    refused = subprocess.run(
        ["kubectl", "--namespace", NAMESPACE, "run", "root", "--image", "regraft/pipeline:dev", "--dry-run=server"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "violates PodSecurity" in refused.stderr


def test_kserves_client_sees_services_that_are_ready() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kserve import KServeClient  # noqa: PLC0415  (importing it warns)

        client = KServeClient()
        for task in ("passwords", "heart-disease"):
            assert client.is_isvc_ready(task, namespace=NAMESPACE)


def test_argos_command_line_sees_a_rejected_run_as_one_that_succeeded(service: Installation, seed: int) -> None:
    run = service.end(service.post("drifted", seed))
    assert run.state == "rejected"
    workflow = json.loads(_argo("get", run.run_id, "--output", "json"))
    assert workflow["status"]["phase"] == "Succeeded"
    phases = {node["displayName"]: node["phase"] for node in workflow["status"]["nodes"].values()}
    assert [phases[step] for step in ("download", "validate")] == ["Succeeded", "Succeeded"]
    assert [phases[step] for step in ("train", "register", "deploy")] == ["Skipped"] * 3


def _applied_objects() -> list[dict[str, Any]]:
    """All objects of the installation, without what the cluster itself notes in them."""
    found: list[dict[str, Any]] = get("--kustomize", "k8s/overlays/kind")["items"]
    for item in found:
        item.pop("status", None)
        for field in ("resourceVersion", "managedFields"):
            item["metadata"].pop(field, None)
    return found


def _argo(*arguments: str) -> str:
    """Run Argo's command line in the cluster, with the trigger service's account."""
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "argo-cli"},
        "spec": {
            "serviceAccountName": "regraft-trigger",
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 8737, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "argo",
                    "image": _argo_image(),
                    "args": [*arguments, "--namespace", NAMESPACE],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    kubectl("apply", "--filename", "-", text=yaml.safe_dump(pod))
    try:
        eventually(lambda: get("pod", "argo-cli")["status"]["phase"] in ("Succeeded", "Failed"))
        return kubectl("logs", "argo-cli")
    finally:
        kubectl("delete", "pod", "argo-cli", "--now")


def _argo_image() -> str:
    controller = get("deployment", "workflow-controller", namespace="argo")["spec"]["template"]["spec"]["containers"][0]
    image: str = controller["image"]
    return image.replace("workflow-controller", "argocli")
