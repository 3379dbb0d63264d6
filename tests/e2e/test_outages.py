"""What Regraft stands on goes away in the middle of a run: every run that was accepted reaches its end all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import httpx
import pytest

from tests.checker.client import Accepted
from tests.e2e.cluster import (
    PLATFORM,
    eventually,
    get,
    has_begun,
    kill_pods,
    kubectl,
    pods_of,
    rolled_out,
    scaled_to_zero,
)
from tests.e2e.conftest import URL, Installation
from tests.e2e.registry import Registry
from tests.proofs import some

AWAY_SECONDS = 15


def kill_controller() -> None:
    kill_pods("app=workflow-controller", namespace="argo")


def kill_kserve() -> None:
    kill_pods("control-plane=kserve-controller-manager", namespace="kserve")


def take_mlflow_away() -> None:
    with scaled_to_zero("mlflow", namespace=PLATFORM):
        time.sleep(AWAY_SECONDS)


def take_bucket_away() -> None:
    with scaled_to_zero("minio", namespace=PLATFORM):
        time.sleep(AWAY_SECONDS)


DISTURBANCES: dict[str, Callable[[], None]] = {
    "download": kill_controller,
    "validate": take_bucket_away,
    "train": take_mlflow_away,
    "deploy": kill_kserve,
}
"""What goes away while a step runs."""


def test_a_run_survives_what_goes_away_at_each_step(service: Installation, registry: Registry, seed: int) -> None:
    accepted = service.post("good", seed)
    for step, disturb in DISTURBANCES.items():
        eventually(lambda step=step: has_begun(accepted, step), seconds=300)  # type: ignore[misc]
        disturb()
    run = service.end(accepted)
    assert run.state == "promoted", run.message
    assert _made_one_version(accepted, registry)
    assert service.serving() == registry.prod().number == run.version


@pytest.mark.parametrize("step", some(["download", "train"], short=["train"]))
def test_a_run_survives_that_a_pod_of_its_own_is_taken_away(service: Installation, seed: int, step: str) -> None:
    """With grace, as a drained node does it: the step ends by a signal, and not as one that has failed."""
    accepted = service.post("good", seed)
    pod = eventually(lambda: _running(accepted, step), seconds=300)
    kubectl("delete", "pod", pod, "--wait=false")
    run = service.end(accepted)
    assert run.state == "promoted", run.message


def test_triggers_are_answered_quickly_and_outlive_the_trigger_service(
    service: Installation, registry: Registry, seed: int, tell: Callable[[str], None]
) -> None:
    seconds = []
    accepted = []
    for dataset in ("good", "not_found", "drifted", "not_found", "not_found"):
        began = time.monotonic()
        accepted.append(service.post(dataset, seed))
        seconds.append(time.monotonic() - began)
        assert get("workflow", accepted[-1].run_id)["metadata"]["labels"]["regraft.dev/task"] == "passwords"
    kill_pods("app.kubernetes.io/name=trigger")  # until the next one is ready nothing answers
    rolled_out("regraft-trigger")
    eventually(lambda: httpx.get(f"{URL}/ready").is_success)
    states = [service.end(each).state for each in accepted]
    assert states == ["promoted", "failed", "rejected", "failed", "failed"]
    assert _made_one_version(accepted[0], registry)
    assert median(seconds) < 0.5
    tell(f"triggers answered after {', '.join(f'{each * 1000:.0f}' for each in seconds)} ms")


def _running(accepted: Accepted, step: str) -> str | None:
    """Return the name of a step's pod while it runs."""
    pods = pods_of(f"workflows.argoproj.io/workflow={accepted.run_id}")
    names = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
    return next((name for name in names if f"-{step}-" in name), None)


def _made_one_version(accepted: Accepted, registry: Registry) -> bool:
    return len(registry.versions_of(accepted.run_id)) == 1
