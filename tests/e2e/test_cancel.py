"""A run ends where somebody asks for it: while it runs, waits for its turn to deploy, or is suspended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.checker.client import Accepted, RunView
from tests.e2e.cluster import eventually, get, has_begun, kubectl, status_of
from tests.e2e.conftest import URL, Installation
from tests.e2e.registry import Bucket, Registry
from tests.proofs import some

HOLDER = "holder"


@pytest.fixture(autouse=True)
def _nothing_changes(service: Installation, registry: Registry) -> Iterator[None]:
    """What served before serves after it."""
    before = registry.prod()
    yield
    assert registry.prod() == before
    assert service.serving() == before.number


@pytest.mark.parametrize("step", some(["download", "train"], short=["download"]))
def test_a_run_that_runs(service: Installation, seed: int, step: str) -> None:
    run = service.post("good", seed)
    eventually(lambda: has_begun(run, step) or None, seconds=300)
    assert _cancelled(service, run).state == "cancelled"


def test_a_run_that_is_suspended(service: Installation, seed: int) -> None:
    run = service.post("good", seed)
    kubectl("patch", "workflow", run.run_id, "--type", "merge", "--patch", '{"spec": {"suspend": true}}')
    assert _cancelled(service, run).state == "cancelled"


def test_a_run_that_waits_in_argos_lock(service: Installation, seed: int) -> None:
    with _lock_held():
        run = service.post("good", seed)
        eventually(lambda: _waits(run) or None, seconds=300)
        assert _cancelled(service, run).state == "cancelled"


def test_a_run_that_waits_for_room(service: Installation, seed: int) -> None:
    """The namespace lets no Workflow begin."""
    label = "workflows.argoproj.io/parallelism-limit"
    before = get("namespace", "regraft")["metadata"]["labels"][label]
    with _lock_held():
        kubectl("label", "namespace", "regraft", f"{label}=1", "--overwrite")
        try:
            run = service.post("good", seed)
            assert _cancelled(service, run).state == "cancelled"
        finally:
            kubectl("label", "namespace", "regraft", f"{label}={before}", "--overwrite")


def _cancelled(service: Installation, run: Accepted) -> RunView:
    """Cancel a run and return how it ended, with its record."""
    answer = httpx.post(f"{URL}/runs/{run.run_id}/cancel")
    assert answer.status_code == 202, answer.text
    end = service.wait(run, timeout=120)
    with Bucket.opened() as bucket:
        record = bucket.find(f"runs/{run.run_id}/record.json")
    assert record is not None
    assert json.loads(record)["state"] == end.state
    assert httpx.post(f"{URL}/runs/{run.run_id}/cancel").status_code == 409
    return end


@contextmanager
def _lock_held() -> Iterator[None]:
    """Have a Workflow that holds the lock of the deploys of `passwords` and does nothing."""
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": HOLDER},
        "spec": {
            "entrypoint": "hold",
            "synchronization": {"mutexes": [{"name": "regraft-deploy-passwords"}]},
            "templates": [{"name": "hold", "suspend": {}}],
        },
    }
    kubectl("create", "--filename", "-", text=json.dumps(workflow))
    try:
        eventually(lambda: status_of(HOLDER).get("phase") == "Running" or None)
        yield
    finally:
        kubectl("delete", "workflow", HOLDER)


def _waits(run: Accepted) -> bool:
    """Whether the deploy waits for the lock."""
    nodes = status_of(run.run_id).get("nodes", {}).values()
    return any("lock" in node.get("message", "").lower() for node in nodes if node["displayName"].startswith("deploy"))
