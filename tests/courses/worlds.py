"""Worlds around the deploy step: what is behind KServe's API or beside the embedded predictor, played by the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx

from regraft_core.kube import MERGE_PATCH, Cluster
from regraft_core.workflows import ORDER_ANNOTATION
from regraft_pipeline.deployers import VERSION_HEADER, Place
from regraft_pipeline.deployers.kserve import SOURCE_ANNOTATION, STOP_ANNOTATION, TASK_LABEL, VERSION_ANNOTATION

Json = dict[str, Any]

NAMESPACE = "regraft"
TASK = "passwords"
POD_NETWORK = "10.1.2."
NOTES = (SOURCE_ANNOTATION, VERSION_ANNOTATION, ORDER_ANNOTATION)


class World(Protocol):
    """What is around the runs."""

    def act(self) -> float:
        """Do the next thing; return after how many seconds there is another one."""
        ...

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as the predictor. Raises httpx.ConnectError where there is none."""
        ...

    def placed(self) -> Place:
        """Return what is set to serve."""
        ...

    def answering(self) -> set[str]:
        """Return all versions that the predictors answer with."""
        ...


class KServeWorld:
    """KServe's controller, the Deployment's, the kubelet and the predictors, over the API of a cluster."""

    def __init__(self, random: Random, cluster: Cluster, bad: Callable[[str], bool]) -> None:
        self._random = random
        self._bad = bad
        self._api = cluster.client()
        self._pods: dict[tuple[str, ...], str] = {}
        """The predictors by what their template says: ``new``, ``ready`` or ``broken``."""
        self._serving: set[tuple[str, ...]] = set()
        self._numbers: dict[tuple[str, ...], int] = {}
        """The numbers of all pods that there were."""

    def __enter__(self) -> KServeWorld:
        """Make the InferenceService as it is at the installation."""
        self._clear()
        spec = {"predictor": {"minReplicas": 1, "model": {"modelFormat": {"name": "regraft"}}}}
        self._send("POST", _services(), _object("serving.kserve.io/v1beta1", "InferenceService", TASK, spec=spec))
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing for the next course."""
        self._clear()
        self._api.close()

    def act(self) -> float:
        """Let one of the controllers look at what there is."""
        self._random.choice((self._kserve, self._deployment, self._kubelet))()
        return self._random.uniform(0, 4)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as the Service, from any pod that is ready, or as a pod that is not."""
        if request.url.path == "/health":
            pod = next(pod for pod, number in self._numbers.items() if _address(number) == request.url.host)
            problem = {"code": "golden_mismatch", "detail": "the answers are not those of the trainer"}
            if self._pods.get(pod) != "broken":
                problem = {"code": "bundle_not_loaded", "detail": "it is being loaded"}
            return httpx.Response(503, json=problem, request=request)
        if not self._serving:
            raise httpx.ConnectError("nobody is behind the Service", request=request)
        pod = self._random.choice(sorted(self._serving))
        return httpx.Response(200, headers={VERSION_HEADER: version_of(pod[0])}, json={}, request=request)

    def placed(self) -> Place:
        """Return what the InferenceService names."""
        service = self._get(f"{_services()}/{TASK}")
        notes = service["metadata"].get("annotations") or {}
        uri = service["spec"]["predictor"]["model"].get("storageUri")
        return Place(uri=uri, version=notes.get(VERSION_ANNOTATION, ""), order=notes.get(ORDER_ANNOTATION, ""))

    def answering(self) -> set[str]:
        """Return the versions of the pods that are ready."""
        return {version_of(pod[0]) for pod in self._serving}

    def _kserve(self) -> None:
        """Give the Deployment's pods the address and the annotations of the InferenceService."""
        placed = self.placed()
        if (self._get(f"{_services()}/{TASK}")["metadata"].get("annotations") or {}).get(STOP_ANNOTATION) == "true":
            self._delete(_deployment())
            return
        if not placed.uri and self._find(_deployment()) is None:
            return
        notes = dict(zip(NOTES, (placed.uri or "", placed.version, placed.order), strict=True))
        if self._find(_deployment()) is None:
            template: Json = {"metadata": {"labels": {TASK_LABEL: TASK}, "annotations": notes}, "spec": _pod_spec()}
            spec: Json = {"replicas": 1, "selector": {"matchLabels": {TASK_LABEL: TASK}}, "template": template}
            made = _object("apps/v1", "Deployment", f"{TASK}-predictor", spec=spec)
            self._send("POST", _deployment().rpartition("/")[0], made)
        elif _template(self._get(_deployment())) != tuple(notes.values()):
            self._merge(_deployment(), {"spec": {"template": {"metadata": {"annotations": notes}}}})

    def _deployment(self) -> None:
        """Start the pods of a template that is new, and tell how many there are of which."""
        deployment = self._find(_deployment())
        if deployment is None:
            for pod in list(self._pods):
                self._remove_pod(pod)
            return
        wanted = _template(deployment)
        if wanted not in self._pods:
            self._pods[wanted] = "new"
            self._numbers.setdefault(wanted, len(self._numbers) + 1)
            self._put_pod(wanted)
        if wanted in self._serving:
            for old in [pod for pod in self._pods if pod != wanted]:
                self._remove_pod(old)
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(self._pods),
            "updatedReplicas": 1,
            "readyReplicas": len(self._serving),
            "availableReplicas": len(self._serving),
        }
        self._merge(_deployment() + "/status", {"status": status})

    def _kubelet(self) -> None:
        """Let a new pod come to something."""
        for pod in [pod for pod, state in self._pods.items() if state == "new"]:
            if pod[0] and not self._bad(pod[0]):
                self._pods[pod] = "ready"
                self._serving.add(pod)
            elif pod[0]:
                self._pods[pod] = "broken"
            self._put_pod(pod)

    def _put_pod(self, pod: tuple[str, ...]) -> None:
        """Write a pod, with the state that its kubelet would tell."""
        name, state = self._name(pod), self._pods[pod]
        container: Json = {"name": "kserve-container", "image": "x", "imageID": "", "restartCount": 0}
        container |= {"ready": state == "ready", "state": {"running": {}}}
        if state == "broken" and self._numbers[pod] % 2:
            waiting = {"reason": "CrashLoopBackOff", "message": "it ends again and again"}
            container |= {"restartCount": 3, "state": {"waiting": waiting}}
        address = _address(self._numbers[pod])
        status = {"podIP": address, "podIPs": [{"ip": address}], "containerStatuses": [container]}
        if self._find(_pod(name)) is None:
            made = _object("v1", "Pod", name, spec=_pod_spec())
            made["metadata"] |= {
                "labels": {TASK_LABEL: TASK},
                "annotations": dict(zip(NOTES, pod, strict=True)),
            }
            self._send("POST", _pod(name).rpartition("/")[0], made)
        self._merge(_pod(name) + "/status", {"status": status})

    def _remove_pod(self, pod: tuple[str, ...]) -> None:
        self._serving.discard(pod)
        del self._pods[pod]
        self._delete(_pod(self._name(pod)))

    def _name(self, pod: tuple[str, ...]) -> str:
        return f"{TASK}-predictor-{self._numbers[pod]}"

    def _clear(self) -> None:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/regraft-{TASK}"
        for path in (f"{_services()}/{TASK}", _deployment(), lease, *(_pod(self._name(pod)) for pod in self._pods)):
            self._delete(path)

    def _find(self, path: str) -> Json | None:
        response = self._api.get(path)
        return None if response.status_code == 404 else _checked(response)

    def _get(self, path: str) -> Json:
        return _checked(self._api.get(path))

    def _send(self, method: str, path: str, body: Json) -> Json:
        return _checked(self._api.request(method, path, json=body))

    def _merge(self, path: str, patch: Json) -> None:
        _checked(self._api.patch(path, content=json.dumps(patch), headers=MERGE_PATCH))

    def _delete(self, path: str) -> None:
        response = self._api.delete(path, params={"gracePeriodSeconds": 0})
        assert response.is_success or response.status_code == 404, response.text


class LocalWorld:
    """The embedded mode's predictor: it serves what it has loaded last."""

    def __init__(self, random: Random, models_dir: Path, bad: Callable[[str], bool]) -> None:
        self._random = random
        self._models_dir = models_dir
        self._bad = bad
        self._loaded = ""

    def act(self) -> float:
        """Now and then the predictor is started again, with what the link points at, if that stands."""
        if self._random.random() < 0.02:
            found = self._linked()
            self._loaded = "" if not found or self._bad(found) else found
        return self._random.uniform(0, 4)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Load what the link points at, or answer."""
        if request.url.path.endswith("/load"):
            found = self._linked()
            if not found or self._bad(found):
                problem = {"code": "bundle_broken", "detail": "contract.json is none"}
                return httpx.Response(503, json=problem, request=request)
            self._loaded = found
        elif not self._loaded:
            return httpx.Response(404, json={"code": "task_unknown"}, request=request)
        return httpx.Response(200, headers={VERSION_HEADER: version_of(self._loaded)}, json={}, request=request)

    def placed(self) -> Place:
        """Return what the note says, and see that the link says the same."""
        note = self._models_dir / f".{TASK}.place.json"
        placed = Place.model_validate_json(note.read_bytes()) if note.exists() else Place()
        assert version_of(placed.uri or "") == version_of(self._linked())
        return placed

    def answering(self) -> set[str]:
        """Return the version that was loaded last."""
        return {version_of(self._loaded)} if self._loaded else set()

    def _linked(self) -> str:
        link = self._models_dir / TASK
        return link.readlink().as_uri() + "/" if link.is_symlink() else ""


def version_of(uri: str) -> str:
    """Return the version whose bundle is at an address."""
    return uri.rstrip("/").rpartition("/")[2]


def _services() -> str:
    return f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices"


def _deployment() -> str:
    return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{TASK}-predictor"


def _pod(name: str) -> str:
    return f"/api/v1/namespaces/{NAMESPACE}/pods/{name}"


def _address(number: int) -> str:
    return f"{POD_NETWORK}{number}"


def _pod_spec() -> Json:
    return {"containers": [{"name": "kserve-container", "image": "x", "ports": [{"containerPort": 8080}]}]}


def _object(version: str, kind: str, name: str, **fields: object) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields}


def _template(deployment: Json) -> tuple[str, ...]:
    notes: Mapping[str, str] = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    return tuple(notes.get(note, "") for note in NOTES)


def _checked(response: httpx.Response) -> Json:
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    body: Json = response.json()
    return body
