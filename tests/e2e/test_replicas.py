"""Two of each: the trigger service and the predictors of a task."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.bench.hot_swap import swap_under_load
from tests.checker.client import Accepted, Service
from tests.e2e.cluster import NAMESPACE, eventually, forwarded, get, kubectl, rolled_out
from tests.e2e.conftest import DATASETS_URL, URL, Installation
from tests.e2e.registry import Registry

pytestmark = pytest.mark.long

TRIGGER = "regraft-trigger"
PREDICTOR = "passwords-predictor"
PODS = "serving.kserve.io/inferenceservice=passwords"


@pytest.fixture(scope="module")
def triggers() -> Iterator[list[str]]:
    """The addresses of two pods of the trigger service, one past the other."""
    kubectl("scale", f"deployment/{TRIGGER}", "--replicas", "2")
    rolled_out(TRIGGER)
    try:
        pods = eventually(lambda: _two("app.kubernetes.io/name=trigger"), seconds=60)
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(forwarded(f"pod/{pod}", 8000, namespace=NAMESPACE)) for pod in pods]
    finally:
        kubectl("scale", f"deployment/{TRIGGER}", "--replicas", "1")


@pytest.fixture(scope="module")
def two_predictors() -> Iterator[None]:
    _predictors(2)
    try:
        yield
    finally:
        _predictors(1)


def test_one_key_to_both_is_one_run(triggers: list[str], service: Installation, seed: int) -> None:
    key, address = secrets.token_hex(8), f"{DATASETS_URL}/good.csv?seed={seed}"

    def post(url: str) -> Accepted:
        with Service(f"{url}/trigger", f"{URL}/predict") as one:
            return one.trigger(address, key=key)

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(post, triggers * 4))
    (run_id,) = {each.run_id for each in accepted}
    assert service.end(accepted[0]).state == "promoted"
    for url in triggers:
        assert httpx.get(f"{url}/runs/{run_id}").json()["state"] == "promoted"
        assert [run["run_id"] for run in _runs(url)].count(run_id) == 1


def test_what_comes_in_by_both_is_served_in_order(
    triggers: list[str], service: Installation, registry: Registry, seed: int
) -> None:
    """Posted by turns and all under way at once: the last one accepted serves at the end."""
    accepted = []
    for number in range(4):
        with Service(f"{triggers[number % 2]}/trigger", f"{URL}/predict") as one:
            accepted.append(one.trigger(f"{DATASETS_URL}/good.csv?seed={seed + number}"))
    ends = [service.end(each) for each in accepted]
    assert {end.state for end in ends} <= {"promoted", "superseded"}
    assert ends[-1].state == "promoted", ends[-1].message
    assert service.serving() == registry.prod().number == ends[-1].version


def test_both_tell_of_every_change_and_count_alike(triggers: list[str], service: Installation, seed: int) -> None:
    heard: list[set[tuple[str, str]]] = [set(), set()]
    stop = threading.Event()
    listeners = [
        threading.Thread(target=_listen, args=(url, heard[number], stop)) for number, url in enumerate(triggers)
    ]
    for listener in listeners:
        listener.start()
    time.sleep(1)
    with Service(f"{triggers[0]}/trigger", f"{URL}/predict") as one:
        accepted = one.trigger(f"{DATASETS_URL}/good.csv?seed={seed}")
    run = service.end(accepted)
    try:
        end = (accepted.run_id, run.state)
        eventually(lambda: all(end in each for each in heard) or None, seconds=30)
    finally:
        stop.set()
        for listener in listeners:
            listener.join()
    assert eventually(lambda: {_open(url) for url in triggers} == {0.0} or None, seconds=30)


def test_no_request_fails_while_pods_go_and_versions_change(
    two_predictors: None, service: Installation, seed: int
) -> None:
    """Pods are taken away one after the other, as a drain does it, and two new versions come up meanwhile."""
    stop = threading.Event()
    taker = threading.Thread(target=_take_pods_away, args=(stop,))
    taker.start()
    try:
        load, versions = swap_under_load(service, DATASETS_URL, seed=seed, clients=8, promotions=2, seconds=60)
    finally:
        stop.set()
        taker.join()
    assert load.failures == []
    assert len(versions) == 2
    print(f"{load.requests} requests, slowest {load.slowest * 1000:.0f} ms")


def test_no_request_fails_while_a_node_is_drained(two_predictors: None, service: Installation, seed: int) -> None:
    """In the middle of a rollout, with the budget that `spread` has."""
    nodes = [node["metadata"]["name"] for node in get("nodes")["items"] if not node["spec"].get("taints")]
    if len(nodes) < 2:
        pytest.skip("there is one node for pods: make up WORKERS=2")
    kubectl("create", "poddisruptionbudget", "drained", f"--selector={PODS}", "--max-unavailable=1")
    pod = eventually(lambda: _two(PODS), seconds=60)[0]
    node = get("pod", pod)["spec"]["nodeName"]
    drainer = threading.Timer(5, kubectl, ["drain", node, "--pod-selector", PODS, "--delete-emptydir-data"])
    drainer.start()
    try:
        load, versions = swap_under_load(service, DATASETS_URL, seed=seed, clients=8, promotions=1, seconds=30)
    finally:
        drainer.join()
        kubectl("uncordon", node)
        kubectl("delete", "poddisruptionbudget", "drained")
    assert load.failures == []
    assert service.serving() == versions[-1]


def _two(selector: str) -> list[str] | None:
    pods = [pod for pod in get("pods", "--selector", selector)["items"] if "deletionTimestamp" not in pod["metadata"]]
    names = [pod["metadata"]["name"] for pod in pods if _is_ready(pod)]
    return names if len(names) == 2 else None


def _is_ready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def _predictors(number: int) -> None:
    patch = {"spec": {"predictor": {"minReplicas": number}}}
    kubectl("patch", "inferenceservice", "passwords", "--type", "merge", "--patch", json.dumps(patch))
    eventually(lambda: get("deployment", PREDICTOR)["spec"]["replicas"] == number or None, seconds=60)
    rolled_out(PREDICTOR)


def _take_pods_away(stop: threading.Event) -> None:
    while not stop.is_set():
        pods = _two(PODS)
        if pods:
            kubectl("delete", "pod", pods[0], "--wait=false", check=False)
        stop.wait(5)


def _runs(url: str) -> list[dict[str, str]]:
    answer = httpx.get(f"{url}/runs").json()
    runs: list[dict[str, str]] = answer["runs"]
    return runs


def _listen(url: str, heard: set[tuple[str, str]], stop: threading.Event) -> None:
    with httpx.stream("GET", f"{url}/events", timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and len(line) > 7:
                run = json.loads(line.removeprefix("data:"))
                heard.add((run.get("run_id", ""), run.get("state", "")))
            if stop.is_set():
                return


def _open(url: str) -> float:
    found = re.findall(r"^regraft_runs_open\S* (\S+)", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    return sum(map(float, found))
