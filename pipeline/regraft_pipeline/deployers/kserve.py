"""Deployer for KServe: sets the address in the InferenceService and believes nothing but the pods and their answers.

The status of an InferenceService does not tell which version serves. What does: the Deployment that KServe makes of it,
whose pod template names the address in an annotation, and the header of the predictor's answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from regraft_core.errors import DeployError, NotFoundError, TemporaryError
from regraft_core.kube import MERGE_PATCH, Cluster, answer, reaching
from regraft_core.logs import get_logger
from regraft_pipeline.deployers import VERSION_HEADER

SOURCE_ANNOTATION = "internal.serving.kserve.io/storage-initializer-sourceuri"
"""Annotation of the predictor's pods: the address they have their model from."""

TASK_LABEL = "serving.kserve.io/inferenceservice"
"""Label of the predictor's pods: the name of their InferenceService."""

POLL_SECONDS = 0.5
MAX_RESTARTS = 2
"""A predictor that still ends after this many restarts will not stand; the kubelet waits 10 and 20 s between them."""

HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})
"""Reasons for which a container waits that do not pass by themselves."""

LOADING = "bundle_not_loaded"
"""Code of a predictor's health while it is still at work; every other code is its final word."""

log = get_logger(__name__)

Json = dict[str, Any]


class KServeDeployer:
    """Puts bundles into service in the InferenceServices of one namespace.

    ``predictor_url`` is the address of a task's Service, ``{task}`` in it is replaced. A version must stand within
    ``timeout`` seconds, and the last ``proofs`` answers must all be its own.
    """

    def __init__(self, cluster: Cluster, *, namespace: str, predictor_url: str, timeout: float, proofs: int) -> None:
        self._api = cluster.client()
        self._namespace = namespace
        self._predictor_url = predictor_url
        self._timeout = timeout
        self._proofs = proofs

    def current(self, task: str) -> str | None:
        """Return the address of the bundle that is set to serve, None where there is none."""
        try:
            service = self._get(self._inference_service(task))
        except NotFoundError:
            return None
        uri: str | None = service["spec"]["predictor"]["model"].get("storageUri")
        return uri

    def roll_out(self, task: str, uri: str, version: str) -> None:
        """Set the address, wait for the pods, and return when the Service answers with the version only.

        Raises DeployError: ``rollout_failed`` as soon as it is certain that the version will not stand,
        ``rollout_timeout`` at the deadline; both with what the pods say.
        """
        deadline = time.monotonic() + self._timeout
        for stage, missing in (
            ("address is set", lambda: self._missing_address(task, uri)),
            ("pods are ready", lambda: self._missing_pods(task, uri)),
            ("version answers", lambda: self._missing_proof(task, version)),
        ):
            self._wait(missing, deadline)
            log.info(stage, task=task, version=version, uri=uri)

    def close(self) -> None:
        """Let go of connections to the API server."""
        self._api.close()

    def _wait(self, missing: Callable[[], str | None], deadline: float) -> None:
        """Ask again and again what is missing, until nothing is."""
        while True:
            try:
                reason = missing()
            except TemporaryError as error:
                reason = error.message
            if reason is None:
                return
            if time.monotonic() > deadline:
                raise DeployError(
                    f"the version does not serve after {self._timeout:.0f} s: {reason}", code="rollout_timeout"
                )
            time.sleep(POLL_SECONDS)

    def _missing_address(self, task: str, uri: str) -> str | None:
        if self.current(task) != uri:
            patch = {"spec": {"predictor": {"model": {"storageUri": uri}}}}
            with reaching():
                answer(self._api.patch(self._inference_service(task), json=patch, headers=MERGE_PATCH))
        return None

    def _missing_pods(self, task: str, uri: str) -> str | None:
        deployment = self._get(f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{task}-predictor")
        if deployment["spec"]["template"]["metadata"].get("annotations", {}).get(SOURCE_ANNOTATION) != uri:
            return "KServe has not given the new address to the Deployment yet"
        wanted, status = deployment["spec"]["replicas"], deployment["status"]
        counts = {name: status.get(f"{name}Replicas", 0) for name in ("updated", "available")}
        counts["all"] = status.get("replicas", 0)
        is_current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        if is_current and all(count == wanted for count in counts.values()):
            return None
        troubles = [trouble for pod in self._pods(task, uri) for trouble in self._troubles(pod)]
        figures = ", ".join(f"{count} {name}" for name, count in counts.items())
        return "; ".join(troubles) or f"{wanted} replicas wanted, {figures}"

    def _pods(self, task: str, uri: str) -> list[Json]:
        pods = self._get(f"/api/v1/namespaces/{self._namespace}/pods", labelSelector=f"{TASK_LABEL}={task}")["items"]
        return [pod for pod in pods if pod["metadata"].get("annotations", {}).get(SOURCE_ANNOTATION) == uri]

    def _troubles(self, pod: Json) -> Iterator[str]:
        """What keeps a pod from being ready. Raises DeployError where that will not pass."""
        name, status = pod["metadata"]["name"], pod["status"]
        # The init container gets the bundle from the bucket, which may be away for a while: that can pass at any time.
        containers = status.get("containerStatuses", ())
        for container in (*status.get("initContainerStatuses", ()), *containers):
            if trouble := _container_trouble(container):
                message = f"pod {name}: {trouble}"
                if container in containers and _is_hopeless(container):
                    raise DeployError(message)
                yield message
        for condition in status.get("conditions", ()):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                yield f"pod {name} has no node: {condition.get('message')}"
        if any("running" in container["state"] and not container["ready"] for container in containers):
            yield from self._health(pod)

    def _health(self, pod: Json) -> Iterator[str]:
        """What a predictor that runs but is not ready says itself; the Service does not lead to it."""
        ports = pod["spec"]["containers"][0].get("ports") or [{"containerPort": 8080}]
        try:
            health = httpx.get(f"http://{pod['status']['podIP']}:{ports[0]['containerPort']}/health", timeout=2)
            problem = health.json()
        except (httpx.TransportError, ValueError):
            return
        if health.status_code == 503:
            message = f"pod {pod['metadata']['name']} is not ready: {problem.get('detail')}"
            if problem.get("code") != LOADING:
                raise DeployError(message, reason=problem.get("code"))
            yield message

    def _missing_proof(self, task: str, version: str) -> str | None:
        url = self._predictor_url.format(task=task) + "/schema"
        for _ in range(self._proofs):
            try:
                # A connection of its own each, so that every pod behind the Service may come to answer.
                response = httpx.get(url, timeout=5, headers={"Connection": "close"})
            except httpx.TransportError as error:
                return f"{url} cannot be reached: {error}"
            found = response.headers.get(VERSION_HEADER)
            if response.status_code != 200 or found != version:
                return f"{url} answers {response.status_code} with version {found}"
        return None

    def _inference_service(self, task: str) -> str:
        return f"/apis/serving.kserve.io/v1beta1/namespaces/{self._namespace}/inferenceservices/{task}"

    def _get(self, path: str, **parameters: str) -> Json:
        with reaching():
            return answer(self._api.get(path, params=parameters))


def _container_trouble(container: Json) -> str | None:
    """Why a container does not run, with the last words of its last end."""
    waiting = container["state"].get("waiting")
    ended = container["state"].get("terminated") or container.get("lastState", {}).get("terminated")
    if ended and ended["exitCode"] != 0:
        words = (ended.get("message") or "").strip().splitlines()[-5:]
        return (
            f"container {container['name']} ended with {ended.get('reason')} (exit code {ended['exitCode']}), "
            f"restarted {container['restartCount']} times: {' '.join(words)}"
        )
    if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        return f"container {container['name']} waits: {waiting.get('reason')}, {waiting.get('message')}"
    return None


def _is_hopeless(container: Json) -> bool:
    waiting = container["state"].get("waiting", {})
    return container["restartCount"] >= MAX_RESTARTS or waiting.get("reason") in HOPELESS
