"""The cluster that Regraft is installed in, as somebody sees it who may do everything."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from regraft_core.kube import Cluster
from tests.checker.client import Accepted

ROOT = Path(__file__).parents[2]
NAMESPACE = "regraft"
PLATFORM = "regraft-platform"

Json = dict[str, Any]


def kubectl(*arguments: str, namespace: str = NAMESPACE, text: str | None = None, check: bool = True) -> str:
    """Run kubectl and return what it prints; ``text`` is its standard input.

    Objects of several namespaces are taken where ``namespace`` is empty.
    """
    command = ["kubectl", *(["--namespace", namespace] if namespace else []), *arguments]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=300, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
    return done.stdout


def get(*arguments: str, namespace: str = NAMESPACE) -> Json:
    """Return objects as JSON."""
    found: Json = json.loads(kubectl("get", *arguments, "--output", "json", namespace=namespace))
    return found


@functools.cache
def _api() -> httpx.Client:
    return Cluster.of_kubectl().client()


def asked(path: str, **parameters: str) -> Json:
    """Return what the API server answers: for what is asked often, where a process each time costs too much."""
    answer = _api().get(path, params=parameters)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:300]}"
    found: Json = answer.json()
    return found


def status_of(workflow: str) -> Json:
    """Return what Argo says of a Workflow."""
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows/{workflow}"
    found: Json = asked(path).get("status", {})
    return found


def pods_of(selector: str, *, namespace: str = NAMESPACE) -> list[Json]:
    """Return the pods of a selector."""
    found: list[Json] = asked(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
    return found


def storage_uri(task: str) -> str:
    """Return the address that a task's InferenceService is set to."""
    uri: str = get("inferenceservice", task)["spec"]["predictor"]["model"]["storageUri"]
    return uri


def has_begun(run: Accepted, step: str) -> bool:
    """Whether a step of a run has a pod that was begun."""
    nodes = status_of(run.run_id).get("nodes", {}).values()
    return any(node["displayName"] == f"{step}(0)" and node["phase"] != "Pending" for node in nodes)


def kill_pods(selector: str, *, namespace: str = NAMESPACE) -> None:
    """Kill pods without any grace."""
    kubectl("delete", "pods", "--selector", selector, "--grace-period", "0", "--force", namespace=namespace)


def forgotten(pod: str) -> None:
    """Wait until no Service leads requests to a pod any more."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
    eventually(lambda: pod not in json.dumps(asked(path)) or None)


@contextlib.contextmanager
def scaled_to_zero(deployment: str, *, namespace: str) -> Iterator[None]:
    """Take a Deployment away, and wait until it is back at the end."""
    kubectl("scale", f"deployment/{deployment}", "--replicas", "0", namespace=namespace)
    try:
        yield
    finally:
        kubectl("scale", f"deployment/{deployment}", "--replicas", "1", namespace=namespace)
        rolled_out(deployment, namespace=namespace)


def rolled_out(deployment: str, *, namespace: str = NAMESPACE) -> None:
    """Wait until a Deployment is as it should be."""
    kubectl("rollout", "status", f"deployment/{deployment}", "--timeout", "180s", namespace=namespace)


def eventually[T](what: Callable[[], T | None], *, seconds: float = 60) -> T:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, f"nothing within {seconds:.0f} s"
        time.sleep(0.3)
    return answer


@contextlib.contextmanager
def forwarded(service: str, port: int, *, namespace: str) -> Iterator[str]:
    """Give the address on this machine under which a Service of the cluster, or ``pod/NAME``, answers."""
    target = service if "/" in service else f"service/{service}"
    command = ["kubectl", "--namespace", namespace, "port-forward", target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, f"no port was forwarded: {line}"
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
