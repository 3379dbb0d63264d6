"""A deploy that ends for good in the middle of a rollout: the version it was at is taken back all the same."""

from __future__ import annotations

import json

import pytest

from tests.e2e.cluster import eventually, kubectl, storage_uri
from tests.e2e.conftest import Installation
from tests.e2e.registry import Bucket, Registry
from tests.proofs import some

ENDS = ("Stop", "Terminate", "deleted")
"""How the Workflow ends: only the first one lets its exit handler run."""


@pytest.mark.parametrize("end", some(ENDS, short=["Stop"]))
def test_what_served_is_put_back_however_the_workflow_ends(
    service: Installation, registry: Registry, seed: int, end: str
) -> None:
    prod = registry.prod()
    nowhere = registry.add_version(f"s3://regraft/nowhere-{seed}/")  # its pods wait for a bundle that never comes
    accepted = service.put_in_service("passwords", nowhere.number)
    eventually(lambda: storage_uri("passwords") == nowhere.uri or None, seconds=300)
    if end == "deleted":
        kubectl("delete", "workflow", accepted.run_id, "--wait=false")
    else:
        kubectl(
            "patch", "workflow", accepted.run_id, "--type", "merge", "--patch", json.dumps({"spec": {"shutdown": end}})
        )
    # Without any grace, so that the deploy cannot put back itself.
    of_run = f"workflows.argoproj.io/workflow={accepted.run_id}"
    kubectl("delete", "pods", "--selector", of_run, "--grace-period", "0", "--force")
    run = service.end(accepted)
    assert run.state == "failed", run
    assert storage_uri("passwords") == prod.uri
    assert registry.prod() == prod
    assert service.serving() == prod.number
    with Bucket.opened() as bucket:
        record = json.loads(bucket.find(f"runs/{accepted.run_id}/record.json") or b"{}")
    assert record["state"] == "failed"
    assert (record["cause"]["code"] == "workflow_gone") is (end == "deleted")
