"""What can be killed in a cluster, and how: at once, without any grace, as a node that fails does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.e2e.cluster import NAMESPACE, PLATFORM, Json, kubectl, pods_of


@dataclass(frozen=True)
class Target:
    """Pods of one kind. Where fewer than ``least`` of them are ready none is killed."""

    name: str
    selector: str
    namespace: str = NAMESPACE
    least: int = 0
    is_asked: bool = False
    """Whether predictions come from it."""
    comes_back: bool = True
    """Whether another pod takes the place of one that was killed, always."""

    def pods(self) -> list[str]:
        """Return the names of those that can be killed now."""
        alive = self._alive()
        if sum(map(_is_ready, alive)) < self.least:
            return []
        return [pod["metadata"]["name"] for pod in alive]

    def ready(self) -> int:
        """Return how many are ready."""
        return sum(map(_is_ready, self._alive()))

    def _alive(self) -> list[Json]:
        found = pods_of(self.selector, namespace=self.namespace)
        return [pod for pod in found if pod["status"].get("phase") == "Running" and not _is_going(pod)]

    def kill(self, pod: str) -> None:
        """Kill a pod; one that is gone already is none of our business."""
        options = ("--grace-period", "0", "--force", "--wait=false", "--ignore-not-found")
        kubectl("delete", "pod", pod, *options, namespace=self.namespace, check=False)


def predictors(task: str) -> Target:
    """Return the predictors of a task: two or more, so that one serves while another is killed."""
    return Target(f"predictor of {task}", f"serving.kserve.io/inferenceservice={task}", least=2, is_asked=True)


def targets(tasks: Sequence[str]) -> list[Target]:
    """Return all that is killed in a drill; what is met more often stands more than once."""
    step = Target("pod of a step", "workflows.argoproj.io/workflow", comes_back=False)
    return [
        Target("Argo's controller", "app=workflow-controller", "argo"),
        Target("KServe's controller", "control-plane=kserve-controller-manager", "kserve"),
        Target("trigger service", "app.kubernetes.io/name=trigger"),
        Target("MLflow", "app.kubernetes.io/name=mlflow", PLATFORM),
        Target("MinIO", "app=minio", PLATFORM),
        *(predictors(task) for task in tasks),
        *(step,) * 3,
    ]


def pick(among: Sequence[Target], random: Random) -> tuple[Target, str] | None:
    """Return a pod to kill, None where there is none now."""
    for target in random.sample(among, len(among)):
        if pods := target.pods():
            return target, random.choice(sorted(pods))
    return None


def _is_going(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _is_ready(pod: Json) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))
