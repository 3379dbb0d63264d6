from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from regraft_core.errors import DeployError, NotFoundError
from regraft_core.workflows import ORDER_ANNOTATION
from regraft_pipeline.deployers import VERSION_HEADER, DisplacedError, Place, kserve, lease
from regraft_pipeline.deployers.kserve import SOURCE_ANNOTATION, STOP_ANNOTATION, KServeDeployer
from tests.apiserver import ApiServer

SERVICE = "/apis/serving.kserve.io/v1beta1/namespaces/regraft/inferenceservices/passwords"
DEPLOYMENT = "/apis/apps/v1/namespaces/regraft/deployments/passwords-predictor"
PODS = "/api/v1/namespaces/regraft/pods"
OLD, NEW = "s3://models/old/", "s3://models/new/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kserve, "POLL_SECONDS", 0.02)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer().running() as server:
        server.put(SERVICE, {"spec": {"predictor": {"model": {"storageUri": OLD}}}})
        server.put(DEPLOYMENT, deployment(OLD))
        yield server


class Predictor:
    """What stands behind the Service and on the pods' port: a version, or the reason for not being ready."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: list[tuple[int, str, bytes]] = [(200, "7", b"{}")]
        self.asked: list[str] = []


@pytest.fixture
def predictor() -> Iterator[Predictor]:
    with _predictor() as running:
        yield running


@contextmanager
def _predictor() -> Iterator[Predictor]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            status, version, body = found.answers[0] if len(found.answers) == 1 else found.answers.pop(0)
            self.send_response(status)
            self.send_header(VERSION_HEADER, version)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Predictor(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def deployment(uri: str, **status: int) -> dict[str, Any]:
    figures = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1} | status
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 1, "template": {"metadata": {"annotations": {SOURCE_ANNOTATION: uri}}}},
        "status": figures,
    }


def pod(predictor: Predictor, *, uri: str = NEW, ready: bool = False, **container: Any) -> dict[str, Any]:
    status = {"name": "kserve-container", "ready": ready, "restartCount": 0, "state": {"running": {}}} | container
    return {
        "metadata": {"name": "passwords-predictor-1", "annotations": {SOURCE_ANNOTATION: uri}},
        "spec": {"containers": [{"ports": [{"containerPort": predictor.port}]}]},
        "status": {"podIP": "127.0.0.1", "containerStatuses": [status]},
    }


class Deploying:
    """Makes deployers, and closes them at the end of the test."""

    def __init__(self, api: ApiServer, predictor: Predictor) -> None:
        self.api, self.predictor = api, predictor
        self.opened: list[KServeDeployer] = []

    def __call__(self, timeout: float = 5) -> KServeDeployer:
        url = f"http://127.0.0.1:{self.predictor.port}/{{task}}"
        made = KServeDeployer(self.api.cluster, namespace="regraft", predictor_url=url, timeout=timeout, proofs=3)
        self.opened.append(made)
        return made


@pytest.fixture
def deployer(api: ApiServer, predictor: Predictor) -> Iterator[Deploying]:
    deploying = Deploying(api, predictor)
    yield deploying
    for made in deploying.opened:
        made.close()


def uri_of(api: ApiServer) -> str:
    uri: str = api.objects[SERVICE]["spec"]["predictor"]["model"]["storageUri"]
    return uri


def roll_out(deployer: KServeDeployer, task: str, uri: str, version: str) -> None:
    place = Place(uri=uri, version=version, order="2024/run-new")
    assert deployer.place(task, Place(uri=OLD), place)
    deployer.prove(task, place)


def test_what_is_placed_is_the_address_of_the_inference_service(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    assert deployer().placed("passwords") == Place(uri=OLD)
    with pytest.raises(NotFoundError):
        deployer().placed("heart-disease")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Place(uri=OLD), Place(uri=NEW, version="2", order="2024/b")),
        (Place(), Place(uri=NEW, version="2", order="2024/b")),
        (Place(uri=OLD, version="1", order="2024/a"), Place()),
    ],
)
def test_an_address_is_set_only_over_what_was_read(
    api: ApiServer, predictor: Predictor, deployer: Deploying, old: Place, new: Place
) -> None:
    if old.uri != OLD:
        del api.objects[SERVICE]["spec"]["predictor"]["model"]["storageUri"]
    if old.order:
        notes = {"regraft.dev/version": old.version, ORDER_ANNOTATION: old.order, "other": "stays"}
        api.objects[SERVICE]["metadata"]["annotations"] = notes
    other = Place(uri=old.uri, version="8", order="2024/c")
    assert not deployer().place("passwords", other, new)
    assert deployer().place("passwords", old, new)
    assert deployer().place("passwords", old, new)
    assert deployer().placed("passwords") == new
    assert not deployer().place("passwords", old, other)
    assert api.objects[SERVICE]["metadata"]["annotations"].get("other") in ("stays", None)


def test_nothing_answers_where_nothing_is_to_serve_again(api: ApiServer, deployer: Deploying) -> None:
    """Else the pod of a version that was taken back would answer on, for the one in its place never gets ready."""
    first, second = (Place(uri=uri, version=version, order="2024/b") for uri, version in ((OLD, "1"), (NEW, "2")))
    for old, new, stopped in (
        (Place(uri=OLD), Place(), "true"),
        (Place(), first, None),
        (first, second, None),
        (second, Place(), "true"),
    ):
        assert deployer().place("passwords", old, new)
        assert api.objects[SERVICE]["metadata"]["annotations"].get(STOP_ANNOTATION) == stopped


def test_a_service_that_somebody_has_stopped_stays_so(api: ApiServer, deployer: Deploying) -> None:
    api.objects[SERVICE]["metadata"]["annotations"] = {STOP_ANNOTATION: "true"}
    assert deployer().place("passwords", Place(uri=OLD), Place(uri=NEW, version="2", order="2024/b"))
    assert api.objects[SERVICE]["metadata"]["annotations"][STOP_ANNOTATION] == "true"


def test_an_answer_that_is_lost_is_looked_after(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    lost = ["PATCH"]
    api.after = lambda method, path: not (method in lost and lost.pop())
    assert deployer().place("passwords", Place(uri=OLD), Place(uri=NEW, version="7", order="2024/b"))
    assert uri_of(api) == NEW
    assert [method for method, _ in api.requests].count("PATCH") == 1


def test_a_version_that_is_displaced_is_not_waited_for(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    with pytest.raises(DisplacedError):
        deployer(timeout=30).prove("passwords", Place(uri=NEW, version="7", order="2024/b"))


def test_a_deployment_that_is_not_there_yet_is_waited_for(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    del api.objects[DEPLOYMENT]
    with pytest.raises(DeployError, match="not found") as caught:
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")
    assert caught.value.code == "rollout_timeout"


def test_what_the_cluster_refuses_ends_the_wait(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    api.before = lambda method, path: 403 if path == DEPLOYMENT else None
    with pytest.raises(DeployError, match="403") as caught:
        roll_out(deployer(timeout=30), "passwords", NEW, "7")
    assert caught.value.details["reason"] == "cluster_refused"


def test_a_pod_with_an_ipv6_address_is_asked(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    api.put(DEPLOYMENT, deployment(NEW, replicas=2))
    waiting = pod(predictor)
    waiting["status"]["podIP"] = "::1"
    api.put(f"{PODS}/1", waiting)
    with pytest.raises(DeployError, match="1 replicas wanted"):
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")


def test_only_one_decides_and_who_was_killed_does_not_hold_up_itself(api: ApiServer, deployer: Deploying) -> None:
    with deployer().alone("passwords", "2024/a"), deployer().alone("passwords", "2024/a"):
        pass
    with deployer().alone("passwords", "2024/b"):
        lease = api.objects["/apis/coordination.k8s.io/v1/namespaces/regraft/leases/regraft-passwords"]
        assert lease["spec"]["holderIdentity"] == "2024/b"


def test_a_lease_of_somebody_who_is_dead_runs_out(
    api: ApiServer, deployer: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SECONDS", 0.5)
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.02)
    dead = deployer().alone("passwords", "2024/a")
    dead.__enter__()
    began = time.monotonic()
    with deployer().alone("passwords", "2024/b"):
        assert time.monotonic() - began > 0.5


def test_a_cluster_without_leases_is_no_hindrance(api: ApiServer, deployer: Deploying) -> None:
    api.before = lambda method, path: 403 if "leases" in path else None
    with deployer().alone("passwords", "2024/a") as still_alone:
        still_alone()


def test_a_version_is_in_service_when_the_service_answers_with_it(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    api.put(DEPLOYMENT, deployment(NEW))
    predictor.answers = [(200, "6", b""), (200, "7", b""), (200, "6", b""), (200, "7", b"")]
    roll_out(deployer(), "passwords", NEW, "7")
    assert uri_of(api) == NEW
    assert predictor.asked == ["/passwords/schema"] * 6


def test_rolling_out_again_changes_nothing(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    api.put(DEPLOYMENT, deployment(NEW))
    for _ in range(2):
        roll_out(deployer(), "passwords", NEW, "7")
    assert [method for method, _ in api.requests].count("PATCH") == 1


def test_the_status_of_the_old_pods_is_not_taken_for_that_of_the_new(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    with pytest.raises(DeployError, match="KServe has not given the new address") as caught:
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")
    assert caught.value.code == "rollout_timeout"


@pytest.mark.parametrize("status", [{"observedGeneration": 1}, {"replicas": 2}, {"availableReplicas": 0}])
def test_a_deployment_that_is_not_through_is_waited_for(
    api: ApiServer, predictor: Predictor, deployer: Deploying, status: dict[str, int]
) -> None:
    api.put(DEPLOYMENT, deployment(NEW, **status))
    with pytest.raises(DeployError, match="1 replicas wanted"):
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")


def test_an_api_server_that_stumbles_is_asked_again(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    api.put(DEPLOYMENT, deployment(NEW))
    troubles = [500, 503, 429]
    api.before = lambda method, path: troubles.pop() if troubles else None
    roll_out(deployer(), "passwords", NEW, "7")
    assert not troubles


def test_an_unknown_task_is_an_error_of_its_own(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    with pytest.raises(NotFoundError):
        roll_out(deployer(), "heart-disease", NEW, "7")


def test_a_crash_loop_ends_the_wait_with_the_last_words(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    ended = {"reason": "OOMKilled", "exitCode": 137, "message": "loading the bundle\n"}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off"}
    api.put(DEPLOYMENT, deployment(NEW, replicas=2, availableReplicas=1))
    container: dict[str, Any] = {"state": {"waiting": waiting}, "lastState": {"terminated": ended}}
    api.put(f"{PODS}/1", pod(predictor, restartCount=3, **container))
    began = time.monotonic()
    with pytest.raises(DeployError, match=r"OOMKilled \(exit code 137\), restarted 3 times: loading the bundle"):
        roll_out(deployer(timeout=30), "passwords", NEW, "7")
    assert time.monotonic() - began < 5


def test_a_few_crashes_are_waited_out_and_told_at_the_deadline(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    ended = {"reason": "Error", "exitCode": 1, "message": "no such bucket"}
    api.put(DEPLOYMENT, deployment(NEW, replicas=2))
    init = pod(predictor)
    init["status"] = {
        "initContainerStatuses": [
            {"name": "storage-initializer", "ready": False, "restartCount": 9, "state": {"terminated": ended}}
        ]
    }
    api.put(f"{PODS}/1", init)
    with pytest.raises(DeployError, match=r"storage-initializer ended with Error.*no such bucket") as caught:
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")
    assert caught.value.code == "rollout_timeout"


def test_a_bundle_that_the_predictor_refuses_ends_the_wait(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    api.put(DEPLOYMENT, deployment(NEW, replicas=2))
    api.put(f"{PODS}/1", pod(predictor))
    predictor.answers = [(503, "none", b'{"code": "golden_mismatch", "detail": "row 3 differs"}')]
    with pytest.raises(DeployError, match="not ready: row 3 differs") as caught:
        roll_out(deployer(timeout=30), "passwords", NEW, "7")
    assert (caught.value.code, caught.value.details["reason"]) == ("rollout_failed", "golden_mismatch")


def test_a_predictor_that_still_loads_is_waited_for(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    api.put(DEPLOYMENT, deployment(NEW, replicas=2))
    api.put(f"{PODS}/1", pod(predictor))
    predictor.answers = [(503, "none", b'{"code": "bundle_not_loaded", "detail": "not loaded yet"}')]
    with pytest.raises(DeployError, match="not loaded yet") as caught:
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")
    assert caught.value.code == "rollout_timeout"


def test_pods_of_other_versions_are_not_looked_at(api: ApiServer, predictor: Predictor, deployer: Deploying) -> None:
    api.put(DEPLOYMENT, deployment(NEW, replicas=2))
    api.put(f"{PODS}/1", pod(predictor, uri=OLD, restartCount=9, state={"waiting": {"reason": "CrashLoopBackOff"}}))
    with pytest.raises(DeployError, match="1 replicas wanted"):
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")


def test_a_service_that_keeps_the_old_version_is_told_at_the_deadline(
    api: ApiServer, predictor: Predictor, deployer: Deploying
) -> None:
    api.put(DEPLOYMENT, deployment(NEW))
    predictor.answers = [(200, "6", b"")]
    with pytest.raises(DeployError, match="answers 200 with version 6"):
        roll_out(deployer(timeout=0.2), "passwords", NEW, "7")
