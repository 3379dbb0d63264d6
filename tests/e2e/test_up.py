"""`make up` can be repeated: what is as it should be stays as it is."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.cluster import ROOT, kubectl

pytestmark = pytest.mark.long

KINDS = (
    "deployments,statefulsets,daemonsets,jobs,inferenceservices,servingruntimes,workflowtemplates,ingresses,services,"
    "networkpolicies,mutatingwebhookconfigurations,validatingwebhookconfigurations,customresourcedefinitions"
)


def test_a_second_time_changes_and_restarts_nothing() -> None:
    before = _generations() | _pods()
    done = subprocess.run(["make", "up"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "loaded" not in done.stderr
    after = _generations() | _pods()
    assert {
        name: (before.get(name), after.get(name)) for name in before | after if before.get(name) != after.get(name)
    } == {}


def _generations() -> dict[str, tuple[str, int]]:
    items = json.loads(kubectl("get", KINDS, "--all-namespaces", "--output", "json"))["items"]
    return {
        "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])): (
            item["metadata"]["uid"],
            item["metadata"].get("generation", 0),
        )
        for item in items
    }


def _pods() -> dict[str, tuple[str, int]]:
    """Every pod that stays, and how often its containers have begun again; steps of runs come and go."""
    selector = "!workflows.argoproj.io/workflow"
    items = json.loads(kubectl("get", "pods", "--all-namespaces", "--selector", selector, "--output", "json"))["items"]
    return {
        f"Pod/{item['metadata']['namespace']}/{item['metadata']['name']}": (
            item["metadata"]["uid"],
            sum(container["restartCount"] for container in item["status"].get("containerStatuses", ())),
        )
        for item in items
        if "deletionTimestamp" not in item["metadata"]
    }
