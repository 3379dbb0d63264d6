"""Two of each: the trigger service and the predictors of a task."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.bench.hot_swap import swap_under_load
from tests.checker.client import PASSWORDS, Accepted, Service
from tests.drill.asking import Asking
from tests.drill.drill import patiently
from tests.e2e.cluster import NAMESPACE, eventually, forgotten, forwarded, get, kubectl, pods_of, rolled_out
from tests.e2e.conftest import DATASETS_URL, URL, Installation
from tests.e2e.registry import Registry

pytestmark = pytest.mark.long

TRIGGER = "regraft-trigger"
PREDICTOR = "passwords-predictor"
PODS = "serving.kserve.io/inferenceservice=passwords"
TRIGGERS = "app.kubernetes.io/name=trigger"
REQUESTS = 50_000


@pytest.fixture(scope="module")
def two_triggers() -> Iterator[None]:
    kubectl("scale", f"deployment/{TRIGGER}", "--replicas", "2")
    rolled_out(TRIGGER)
    try:
        yield
    finally:
        kubectl("scale", f"deployment/{TRIGGER}", "--replicas", "1")


@pytest.fixture
def triggers(two_triggers: None) -> Iterator[list[str]]:
    """The addresses of two pods of the trigger service, one past the other."""
    pods = eventually(lambda: _two(TRIGGERS), seconds=60)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(forwarded(f"pod/{pod}", 8000, namespace=NAMESPACE)) for pod in pods]


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


@pytest.mark.timeout(2400)
def test_no_request_fails_but_in_flight_at_a_hard_kill_and_no_run_is_lost(
    two_triggers: None,
    two_predictors: None,
    service: Installation,
    registry: Registry,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """Datasets come in while pods of both go, with and without grace, and a node is drained."""
    asking = Asking((service.trigger_url, service.predict_url), [PASSWORDS], clients=4, pause=0.0)
    accepted: list[Accepted] = []

    def post() -> None:
        number = len(accepted)
        accepted.append(patiently(lambda: service.post("good", seed + number, key=f"replicas-{seed + number}")))

    def kill_predictor() -> None:
        with asking.killing():
            forgotten(_take_away(PODS, "--grace-period=0", "--force"))

    disturbances: list[Callable[[], object]] = [
        post,
        lambda: _take_away(PODS),
        lambda: _take_away(TRIGGERS),
        kill_predictor,
        lambda: _take_away(TRIGGERS, "--grace-period=0", "--force"),
        lambda: _drain(PODS),
    ]
    with _budget(PODS), asking.running():
        for number, disturb in enumerate(itertools.cycle(disturbances)):
            if asking.answered >= REQUESTS and number >= 3 * len(disturbances):
                break
            disturb()
            time.sleep(3)
        ends = [service.end(each) for each in accepted]
    tell(
        f"{asking.answered:,} answered, {len(asking.at_a_kill())} failed at {len(asking.kills)} hard kills, "
        f"{len(asking.others())} otherwise; {len(ends)} runs: {Counter(end.state for end in ends)}"
    )
    assert asking.others() == [], asking.said()
    assert {end.state for end in ends} <= {"promoted", "superseded"}
    assert service.serving() == registry.prod().number == ends[-1].version


def test_no_request_fails_while_a_node_is_drained(two_predictors: None, service: Installation, seed: int) -> None:
    """In the middle of a rollout, with the budget that `spread` has."""
    drainer = threading.Timer(5, _drain, [PODS])
    with _budget(PODS):
        drainer.start()
        try:
            load, versions = swap_under_load(
                service, DATASETS_URL, seed=seed, clients=8, promotions=1, seconds=30, pause=0.05
            )
        finally:
            drainer.join()
    assert load.failures == []
    assert service.serving() == versions[-1]


@contextlib.contextmanager
def _budget(selector: str) -> Iterator[None]:
    """Let a node that is drained take one pod at a time, and there be a second node for what it takes."""
    if sum(not node["spec"].get("taints") for node in get("nodes")["items"]) < 2:
        pytest.skip("there is one node for pods: make up WORKERS=2")
    kubectl("create", "poddisruptionbudget", "drained", f"--selector={selector}", "--max-unavailable=1")
    try:
        yield
    finally:
        kubectl("delete", "poddisruptionbudget", "drained")


def _drain(selector: str) -> None:
    """Drain the node of one of two pods of those."""
    pod = eventually(lambda: _two(selector), seconds=120)[0]
    node = get("pod", pod)["spec"]["nodeName"]
    try:
        kubectl("drain", node, "--pod-selector", selector, "--delete-emptydir-data", "--ignore-daemonsets")
    finally:
        kubectl("uncordon", node)


def _take_away(selector: str, *options: str) -> str:
    """Take one of two pods away, once both are ready, and return its name."""
    pod = eventually(lambda: _two(selector), seconds=120)[0]
    kubectl("delete", "pod", pod, "--wait=false", *options)
    return pod


def _two(selector: str) -> list[str] | None:
    pods = [pod for pod in pods_of(selector) if "deletionTimestamp" not in pod["metadata"]]
    names = [pod["metadata"]["name"] for pod in pods if _is_ready(pod)]
    return names if len(names) == 2 else None


def _is_ready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def _predictors(number: int) -> None:
    patch = {"spec": {"predictor": {"minReplicas": number}}}
    kubectl("patch", "inferenceservice", "passwords", "--type", "merge", "--patch", json.dumps(patch))
    eventually(lambda: get("deployment", PREDICTOR)["spec"]["replicas"] == number or None, seconds=60)
    rolled_out(PREDICTOR)


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
