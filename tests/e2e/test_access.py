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

RUNS = {("argoproj.io", "workflows"): {"create", "get", "list", "watch", "patch", "delete"}}
TASKS = {("", "configmaps"): {"get", "list", "watch"}}
RESULTS = {("argoproj.io", "workflowtaskresults"): {"create", "patch"}}
ROLLOUTS = {
    ("serving.kserve.io", "inferenceservices"): {"get", "list", "patch"},
    ("apps", "deployments"): {"get", "list"},
    ("", "pods"): {"get", "list"},
    ("coordination.k8s.io", "leases"): {"create", "get", "update"},
}
PREDICTORS = {("", "pods"): {"list"}}
ACCOUNTS = {
    "regraft-trigger": RUNS | TASKS | PREDICTORS,
    "regraft-step": RESULTS,
    "regraft-deploy": RESULTS | ROLLOUTS,
    "regraft-bootstrap": ROLLOUTS,
    "regraft-predictor": {},
}
"""What each account may do in the namespace, besides what every account may."""


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_what_it_needs_and_nothing_else(account: str) -> None:
    for namespace, wanted in ((NAMESPACE, ACCOUNTS[account]), ("default", {}), ("kube-system", {})):
        everybody = _rules("nobody", namespace)
        found = {kind: verbs for kind, verbs in _rules(account, namespace).items() if everybody.get(kind) != verbs}
        assert found == wanted, namespace


def test_kubectl_says_the_same() -> None:
    for account, wanted in ACCOUNTS.items():
        name = f"system:serviceaccount:{NAMESPACE}:{account}"
        answer = kubectl("auth", "can-i", "patch", "inferenceservices.serving.kserve.io", "--as", name, check=False)
        assert answer.strip() == ("yes" if "inferenceservices" in str(wanted) else "no")


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
    assert phases["from-train"] == "Skipped"
    assert not {"train", "register", "deploy"} & phases.keys()


def _applied_objects() -> list[dict[str, Any]]:
    """All objects of the installation, without what the cluster itself notes in them."""
    found: list[dict[str, Any]] = get("--kustomize", "k8s/overlays/kind")["items"]
    for item in found:
        item.pop("status", None)
        for field in ("resourceVersion", "managedFields"):
            item["metadata"].pop(field, None)
    return found


def _rules(account: str, namespace: str) -> dict[tuple[str, str], set[str]]:
    """Return all that an account may do in a namespace, as the API server says it: verbs by group and resource."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    name = f"system:serviceaccount:{NAMESPACE}:{account}"
    options = ("--filename", "-", "--output", "json", "--validate=false", "--as", name)
    answer = json.loads(kubectl("create", *options, text=json.dumps(review)))
    found: dict[tuple[str, str], set[str]] = {}
    for rule in answer["status"]["resourceRules"]:
        for group in rule.get("apiGroups", [""]):
            for resource in rule.get("resources", []):
                found.setdefault((group, resource), set()).update(rule["verbs"])
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
