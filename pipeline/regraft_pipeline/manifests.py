"""The objects of a task in a cluster: what ``regraft manifests`` prints, for kubectl or Argo CD to apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from regraft_core.definition import TaskFileError, read_definition
from regraft_core.definition.objects import config_map
from regraft_core.workflows import TASK_LABEL
from regraft_pipeline import reference
from regraft_pipeline.tasks import Task
from regraft_pipeline.tasks.files import task_of

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """What differs from site to site. ``cpu`` and ``memory`` are a predictor's limits, in Kubernetes' words."""

    namespace: str = "regraft"
    replicas: int = 1
    cpu: str = "2"
    memory: str = "1Gi"
    host: str | None = None
    ingress_class: str | None = None
    tls_secret: str | None = None


def render(path: Path, place: Place) -> str:
    """Return a task's objects as YAML. Raises TaskFileError, BadRequestError (``reference_unfit``)."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TaskFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TaskFileError(f"{path} is not UTF-8; save it as UTF-8") from error
    task = task_of(read_definition(text, str(path)), path.parent)
    return as_yaml(objects_of(task, text, place))


def objects_of(task: Task, text: str, place: Place) -> list[Json]:
    """Return the objects of a task that is a file of this text."""
    if task.file is None:
        raise TaskFileError(f"{task.name} is no file")
    profile = reference.shipped(task).model_copy(
        update={"blessed_by": "task file", "why": "stands beside the task's file"}
    )
    made = [config_map(task.file, text, profile), *serving_objects(task.name, place)]
    for item in made:
        item["metadata"] = {
            "name": item["metadata"]["name"],
            "namespace": place.namespace,
            "labels": {"app.kubernetes.io/part-of": "regraft", **item["metadata"]["labels"]},
            **{key: value for key, value in item["metadata"].items() if key not in ("name", "labels")},
        }
    return made


def serving_objects(task: str, place: Place) -> list[Json]:
    """Return what serves a task: its InferenceService, the way to it, and how many of its pods may go at once."""
    return [inference_service(task, place), ingress(task, place), budget(task)]


def inference_service(task: str, place: Place) -> Json:
    """Return the InferenceService. It has no storageUri: that is the deploy step's, and applying leaves it alone.

    Until the first version is there the predictor runs without a model and is not ready.
    """
    predictor: Json = {
        "serviceAccountName": "regraft-predictor",
        "automountServiceAccountToken": False,
        "minReplicas": place.replicas,
        # The old version goes when the new one is ready, not before.
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        # preStop, the last requests of idle connections, and those that are still being answered.
        "terminationGracePeriodSeconds": 45,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    if place.replicas > 1:
        predictor["topologySpreadConstraints"] = [_spread()]
    predictor["model"] = {
        "modelFormat": {"name": "regraft"},
        "runtime": "regraft",
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": place.cpu, "memory": place.memory},
        },
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": task,
            "labels": {"app.kubernetes.io/name": "predictor", TASK_LABEL: task},
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "none",
            },
        },
        "spec": {"predictor": predictor},
    }


def _spread() -> Json:
    """Pods of one version of a task go to different nodes where there are several."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "predictor"}},
        "matchLabelKeys": ["serving.kserve.io/inferenceservice", "pod-template-hash"],
    }


def ingress(task: str, place: Place) -> Json:
    """Return the way from outside: /TASK/... and KServe's protocols. Controllers merge it with those of other tasks.

    ingress-nginx takes a colon only where what a path means is left to the controller.
    """
    backend = {"service": {"name": f"{task}-predictor", "port": {"number": 80}}}
    paths = (
        (f"/{task}/", "Prefix"),
        (f"/v1/models/{task}:predict", "ImplementationSpecific"),
        (f"/v2/models/{task}/", "Prefix"),
    )
    rule: Json = {"host": place.host} if place.host else {}
    rule["http"] = {"paths": [{"path": path, "pathType": kind, "backend": backend} for path, kind in paths]}
    spec: Json = {"ingressClassName": place.ingress_class} if place.ingress_class else {}
    spec["rules"] = [rule]
    if place.tls_secret:
        spec["tls"] = [{"secretName": place.tls_secret} | ({"hosts": [place.host]} if place.host else {})]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": task, "labels": {TASK_LABEL: task}},
        "spec": spec,
    }


def budget(task: str) -> Json:
    """Return the budget: a node that is drained takes one pod at a time, and those not ready anyway at once."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"{task}-predictor", "labels": {TASK_LABEL: task}},
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {"serving.kserve.io/inferenceservice": task}},
        },
    }


def as_yaml(objects: Sequence[Json]) -> str:
    """Return objects as one YAML file; texts of several lines stay readable."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (PyYAML's own name)
        """Write what is there twice twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
