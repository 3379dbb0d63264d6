"""Deployer for KServe: sets the address in the InferenceService and believes nothing but the pods and their answers.

The status of an InferenceService does not tell which version serves. What does: the Deployment that KServe makes of it,
whose pod template names the address in an annotation, and the header of the predictor's answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx

from regraft_core.addresses import needs_authorities
from regraft_core.codes import Code
from regraft_core.errors import DeployError, NotFoundError, RegraftError, TemporaryError
from regraft_core.kube import Cluster, answer, reaching
from regraft_core.logs import get_logger
from regraft_core.workflows import ORDER_ANNOTATION
from regraft_pipeline.deployers import VERSION_HEADER, DisplacedError, Place
from regraft_pipeline.deployers.lease import held
from regraft_pipeline.settings import PipelineSettings

SOURCE_ANNOTATION = "internal.serving.kserve.io/storage-initializer-sourceuri"
"""Annotation of the predictor's pods: the address they have their model from."""

TASK_LABEL = "serving.kserve.io/inferenceservice"
"""Label of the predictor's pods: the name of their InferenceService."""

VERSION_ANNOTATION = "regraft.dev/version"
"""Annotation of an InferenceService: the number of the version that its address belongs to. Beside it stands the order
of the run that set both. KServe gives them to the pods, so they change with the address only."""

STOP_ANNOTATION = "serving.kserve.io/stop"
"""Annotation of an InferenceService: whether KServe takes its pods away. It is set where nothing is to serve again, for
without an address KServe's new pod never becomes ready, and the one that it should replace would answer on."""

JSON_PATCH = {"Content-Type": "application/json-patch+json"}

PATIENCE_SECONDS = 30.0
"""How long an API server that stumbles is asked again to set an address."""

POLL_SECONDS = 0.5
MAX_RESTARTS = 2
"""A predictor that still ends after this many restarts is never ready; the kubelet waits 10 and 20 s between them."""

HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})
"""Reasons for which a container waits that do not pass by themselves."""

LOADING = Code.BUNDLE_NOT_LOADED
"""Code of a predictor's health while it is still at work; every other code is its final word."""

log = get_logger(__name__)

Json = dict[str, Any]


def of(settings: PipelineSettings) -> KServeDeployer:
    """Return the deployer of the settings, in the cluster that is found."""
    return KServeDeployer(
        Cluster.find(),
        namespace=settings.namespace,
        predictor_url=settings.predictor_url,
        timeout=settings.deploy_timeout,
        proofs=settings.deploy_proofs,
    )


class KServeDeployer:
    """Puts bundles into service in the InferenceServices of one namespace.

    ``predictor_url`` is the address of a task's Service, ``{task}`` in it is replaced. A version must stand within
    ``timeout`` seconds, and the last ``proofs`` answers must all be its own.
    """

    def __init__(self, cluster: Cluster, *, namespace: str, predictor_url: str, timeout: float, proofs: int) -> None:
        self._api = cluster.client()
        # A predictor is not behind the proxy of the environment. A connection of its own for each question, so that
        # every pod behind the Service may come to answer.
        self._http = httpx.Client(
            timeout=5,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=needs_authorities(predictor_url),
        )
        self._namespace = namespace
        self._predictor_url = predictor_url
        self._timeout = timeout
        self._proofs = proofs

    def placed(self, task: str) -> Place:
        """Return what the InferenceService names. Raises NotFoundError where there is none."""
        return _place_of(self._get(self._inference_service(task)))

    def place(self, task: str, old: Place, new: Place) -> bool:
        """Set the address and, beside it, who set it, if both are ``old`` still; return if they are ``new`` now."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                service = self._get(self._inference_service(task))
                found = _place_of(service)
                if found not in (new, old):
                    return False
                if found == old and found != new:
                    self._patch(task, _changes(service, old, new))
            except TemporaryError as error:  # the answer may have been lost, or somebody was faster: look again
                if time.monotonic() > deadline:
                    raise
                log.info("address not set yet", task=task, reason=error.message)
                time.sleep(POLL_SECONDS)
            else:
                return True

    def prove(self, task: str, place: Place, heed: Callable[[], None] = lambda: None) -> None:
        """Wait for the pods, and return when the Service answers with the version only.

        Raises DeployError: ``rollout_failed`` as soon as it is certain that the version will not become ready,
        ``rollout_timeout`` at the deadline; both with what the pods say.
        """
        deadline = time.monotonic() + self._timeout
        uri = place.uri or ""
        for stage, missing in (
            ("address is set", lambda: None),
            ("pods are ready", lambda: self._missing_pods(task, uri)),
            ("version answers", lambda: self._missing_proof(task, place.version)),
        ):
            self._wait(task, place, missing, deadline, heed)
            log.info(stage, task=task, version=place.version, uri=uri)

    def alone(self, task: str, order: str) -> AbstractContextManager[Callable[[], None]]:
        """Hold the Lease of the task's deploys."""
        return held(self._api, self._namespace, f"regraft-{task}", order)

    def close(self) -> None:
        """Let go of connections to the API server."""
        self._api.close()
        self._http.close()

    def _wait(
        self,
        task: str,
        place: Place,
        missing: Callable[[], str | None],
        deadline: float,
        heed: Callable[[], None],
    ) -> None:
        """Ask again and again what is missing, until nothing is."""
        while True:
            heed()
            try:
                self._check(task, place)
                reason = missing()
            except (TemporaryError, NotFoundError) as error:  # what is not there may come
                reason = error.message
            except (DeployError, DisplacedError):
                raise
            except RegraftError as error:
                raise DeployError(error.message, reason=error.code) from error
            if reason is None:
                return
            if time.monotonic() > deadline:
                raise DeployError(
                    f"the version does not serve after {self._timeout:.0f} s: {reason}", code=Code.ROLLOUT_TIMEOUT
                )
            time.sleep(POLL_SECONDS)

    def _check(self, task: str, place: Place) -> None:
        if (found := self.placed(task)) != place:
            raise DisplacedError(f"{task} is set to version {found.version or found.uri} now")

    def _patch(self, task: str, patch: list[Json]) -> None:
        """Apply a patch. Raises TemporaryError where one of its tests does not hold."""
        content = json.dumps(patch)
        with reaching():
            response = self._api.patch(self._inference_service(task), content=content, headers=JSON_PATCH)
        if response.status_code == 422:
            raise TemporaryError(
                f"the API server does not take the patch: {response.text[:200]}", code=Code.CLUSTER_BUSY
            )
        answer(response)

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
        address = pod["status"].get("podIP", "")
        host = f"[{address}]" if ":" in address else address
        try:
            health = self._http.get(f"http://{host}:{ports[0]['containerPort']}/health", timeout=2)
            problem = health.json()
        except (httpx.TransportError, httpx.InvalidURL, ValueError):
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
                response = self._http.get(url)
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


def _place_of(service: Json) -> Place:
    notes = _notes(service)
    uri = service["spec"]["predictor"].get("model", {}).get("storageUri") or None
    return Place(uri=uri, version=notes.get(VERSION_ANNOTATION, ""), order=notes.get(ORDER_ANNOTATION, ""))


def _notes(service: Json) -> Json:
    found: Json = service["metadata"].get("annotations") or {}
    return found


def _changes(service: Json, old: Place, new: Place) -> list[Json]:
    """Return a JSON patch (RFC 6902) from ``old`` to ``new``, which fails where anything else is set by then."""
    notes = "/metadata/annotations"
    changes = [
        ("/spec/predictor/model/storageUri", old.uri, new.uri),
        (f"{notes}/{_escaped(VERSION_ANNOTATION)}", old.version, new.version),
        (f"{notes}/{_escaped(ORDER_ANNOTATION)}", old.order, new.order),
    ]
    if not new.uri or not old.uri:  # else it is somebody else's, if it is there
        stopped = _notes(service).get(STOP_ANNOTATION, "")
        changes.append((f"{notes}/{_escaped(STOP_ANNOTATION)}", stopped, "" if new.uri else "true"))
    tests: list[Json] = [{"op": "test", "path": path, "value": before} for path, before, _ in changes if before]
    if len(tests) < len(changes):
        # That a thing is not there cannot be tested; that nothing at all has changed can.
        version = service["metadata"]["resourceVersion"]
        tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
    if not _notes(service):
        tests.append({"op": "add", "path": notes, "value": {}})
    acts = [
        {"op": "add", "path": path, "value": after} if after else {"op": "remove", "path": path}
        for path, before, after in changes
        if before or after
    ]
    return tests + acts


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


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
