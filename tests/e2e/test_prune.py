"""What the CronWorkflow removes, begun by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.cluster import eventually, get, kubectl, status_of
from tests.e2e.conftest import URL, Installation
from tests.e2e.registry import Bucket, ModelVersion, Registry

pytestmark = pytest.mark.long

KEPT = 1


@pytest.fixture
def keeping_little() -> Iterator[None]:
    """The policy that keeps as little as can be: of versions the newest, of runs those of a day."""
    before = get("configmap", "regraft")["data"]
    little: dict[str, str | None] = {"REGRAFT_KEEP_VERSIONS": str(KEPT), "REGRAFT_KEEP_RUN_DAYS": "1"}
    _set(little)
    try:
        yield
    finally:
        _set({name: before.get(name) for name in little})


def test_the_schedule_removes_what_nobody_needs_and_nothing_else(
    keeping_little: None, service: Installation, registry: Registry, seed: int
) -> None:
    ends = [service.end(service.post("good", seed + number)) for number in range(5)]
    assert {end.state for end in ends} == {"promoted"}
    made = [registry.versions_of(end.run_id)[0] for end in ends]
    pinned, *_, before, serves = made
    registry.tag(pinned, "keep", "for the auditors")
    assert _pruned() == "Succeeded"
    with Bucket.opened() as bucket:
        there = [_is_there(version, registry, bucket) for version in made]
        records = [bucket.find(f"runs/{end.run_id}/record.json") for end in ends]
    assert there == [version in (pinned, before, serves) for version in made]
    assert all(records)  # they are of today
    assert service.serving() == registry.prod().number == serves.number
    back = service.end(service.put_in_service("passwords", pinned.number))
    assert back.state == "promoted", back.message
    assert service.serving() == pinned.number
    assert all(run["run_id"].startswith("run-") for run in httpx.get(f"{URL}/runs").json()["runs"])


def _set(values: dict[str, str | None]) -> None:
    kubectl("patch", "configmap", "regraft", "--type", "merge", "--patch", json.dumps({"data": values}))


def _pruned() -> str:
    """Begin a Workflow as the schedule does it, and return how it ended."""
    schedule = get("cronworkflow", "regraft-prune")
    workflow = {
        "apiVersion": schedule["apiVersion"],
        "kind": "Workflow",
        "metadata": {"generateName": "regraft-prune-"},
        "spec": schedule["spec"]["workflowSpec"],
    }
    name = json.loads(kubectl("create", "--filename", "-", "--output", "json", text=json.dumps(workflow)))["metadata"][
        "name"
    ]
    ended = eventually(lambda: end if (end := _ended(name)) else None, seconds=300)
    kubectl("delete", "workflow", name)
    return ended


def _ended(name: str) -> str:
    status = status_of(name)
    return str(status["phase"]) if status.get("finishedAt") else ""


def _is_there(version: ModelVersion, registry: Registry, bucket: Bucket) -> bool:
    """Whether registry and bucket have a version; both or none."""
    in_registry = registry.has(version)
    assert in_registry is bool(bucket.bundle(version.uri).files)
    return in_registry
