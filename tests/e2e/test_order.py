from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.checker.client import Accepted
from tests.e2e.cluster import eventually, get, has_begun, kill_pods, kubectl, storage_uri
from tests.e2e.conftest import Installation
from tests.e2e.registry import Registry


@pytest.mark.long  # the next test is its short form
def test_of_two_triggers_at_once_the_later_accepted_serves(
    service: Installation, registry: Registry, seed: int
) -> None:
    together = Barrier(2)

    def post(seed: int) -> Accepted:
        together.wait()
        return service.post("good", seed)

    with ThreadPoolExecutor() as pool:
        accepted = list(pool.map(post, [seed, seed + 1]))
    runs = {str(service.run(each)["accepted_at"]): service.end(each) for each in accepted}
    assert len(runs) == 2
    earlier, later = (runs[moment] for moment in sorted(runs))
    assert earlier.state in {"promoted", "superseded"}
    assert later.state == "promoted"
    assert service.serving() == registry.prod().number == later.version


def test_two_deploys_at_once_end_in_order_though_the_controller_forgets_who_waits(
    service: Installation, registry: Registry, seed: int
) -> None:
    """The controller is killed while the one deploys and the other comes to its turn."""
    accepted = [service.post("good", seed + number) for number in range(2)]
    eventually(lambda: any(has_begun(each, "deploy") for each in accepted) or None, seconds=300)
    kill_pods("app=workflow-controller", namespace="argo")
    earlier, later = (service.end(each) for each in accepted)
    assert earlier.state in {"promoted", "superseded"}, earlier.message
    assert later.state == "promoted", later.message
    assert service.serving() == registry.prod().number == later.version
    assert storage_uri("passwords") == registry.prod().uri


def test_a_dataset_that_came_again_last_serves_though_another_one_finishes_after_it(
    service: Installation, registry: Registry, seed: int
) -> None:
    """A, B, A again; B is held up until the second A has ended."""
    first = service.end(service.post("good", seed))
    assert first.state == "promoted", first.message
    held_up = service.post("good", seed + 1)
    suspend(held_up, is_suspended=True)
    try:
        again = service.end(service.post("good", seed))
    finally:
        suspend(held_up, is_suspended=False)
    assert (again.state, again.version) == ("unchanged", first.version)
    assert service.end(held_up).state == "superseded"
    assert service.serving() == registry.prod().number == first.version
    assert storage_uri("passwords") == registry.prod().uri


def suspend(accepted: Accepted, *, is_suspended: bool) -> None:
    """Let a Workflow begin no further step, or go on."""
    patch = json.dumps({"spec": {"suspend": is_suspended}})
    kubectl("patch", "workflow", accepted.run_id, "--type", "merge", "--patch", patch)


def test_the_same_key_again_is_the_same_run(service: Installation, seed: int) -> None:
    first, again = (service.post("not_found", seed, key=f"key-{seed}") for _ in range(2))
    assert first == again
    assert service.end(first).state == "failed"
    assert service.post("not_found", seed, key=f"key-{seed}") == first
    assert len([item for item in get("workflows")["items"] if item["metadata"]["name"] == first.run_id]) == 1
