from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import Any

import httpx
import pytest
from mlflow.tracking import MlflowClient

from regraft_pipeline.tasks import load_task
from tests import plain
from tests.checker import datasets
from tests.checker.client import HEART_DISEASE, PASSWORDS, Service
from tests.checker.cycles import COURSE, Course, Cycle, Outcome
from tests.checker.stack import Stack
from tests.integration.conftest import Poster
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack

SEED = 21


@pytest.fixture(scope="module")
def events(stack: Stack) -> list[dict[str, Any]]:
    """The runs as the event stream shows them while the tests of this module go on."""
    seen: list[dict[str, Any]] = []
    following = threading.Event()

    def follow() -> None:
        url = f"{stack.addresses['trigger service']}/events"
        # The stream breaks off when the stack is stopped, after the last test.
        with suppress(httpx.HTTPError), httpx.stream("GET", url, timeout=60) as answer:
            for line in answer.iter_lines():
                following.set()
                if line.startswith("data:"):
                    seen.append(json.loads(line.removeprefix("data:")))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert following.wait(10)
    return seen


@pytest.fixture(scope="module")
def outcomes(events: list[dict[str, Any]], service: Service, poster: Poster) -> dict[Cycle, Outcome]:
    course = Course(service, poster.base_url, seed=SEED, timeout=60)
    return {cycle: course.play(cycle) for cycle in COURSE}


@pytest.mark.parametrize("cycle", COURSE, ids=lambda cycle: cycle.title)
def test_the_checkers_course_goes_as_it_should(cycle: Cycle, outcomes: dict[Cycle, Outcome]) -> None:
    assert outcomes[cycle].problems == []


def test_the_event_stream_shows_each_run_to_its_end(
    events: list[dict[str, Any]], outcomes: dict[Cycle, Outcome]
) -> None:
    ends = {outcome.run_id: outcome.state for outcome in outcomes.values()}
    # A first version may still be on its last step when the stack is ready.
    wait_for(lambda: {run["run_id"]: run["state"] for run in events if run["run_id"] in ends} == ends)
    for run_id, end in ends.items():
        states = [run["state"] for run in events if run["run_id"] == run_id]
        # A run that is refused within a fifth of a second may be seen at its end only.
        assert "running" in states or end != "promoted"
        assert states == sorted(states, key=["queued", "running", end].index)


def test_the_version_in_service_says_where_it_comes_from(
    outcomes: dict[Cycle, Outcome], registry: MlflowClient, service: Service, poster: Poster
) -> None:
    for task, dataset in ((PASSWORDS, "good"), (HEART_DISEASE, "heart_good")):
        version = registry.get_model_version_by_alias(load_task(task).model_name("regraft"), "prod")
        answer = service.predict(task, datasets.own(dataset, SEED).columns)
        assert (str(version.version), version.tags["data_sha256"]) == (answer.version, answer.data_sha256)
        assert version.tags["data_url"] == poster.address(dataset, SEED)
        assert version.tags["verdict"] == "accepted"
        assert version.tags["run_id"].startswith("run-")


def test_force_trains_on_the_very_dataset_that_is_in_service(
    outcomes: dict[Cycle, Outcome], service: Service, poster: Poster
) -> None:
    serving = service.predict(PASSWORDS, {"Password": ["abc"]})
    assert poster.run("good", SEED).state == "unchanged"
    forced = poster.run("good", SEED, force=True)
    after = service.predict(PASSWORDS, {"Password": ["abc"]})
    assert (forced.state, forced.version) == ("promoted", after.version)
    assert int(after.version) > int(serving.version)
    assert after.data_sha256 == serving.data_sha256


def test_the_same_key_is_the_same_run(service: Service, poster: Poster) -> None:
    address = poster.address("ten_rows", SEED)
    first = service.trigger(address, key="nightly")
    assert service.trigger(address, key="nightly") == first
    assert service.wait(first, timeout=PATIENCE).state == "rejected"
    assert service.trigger(address, key="nightly") == first
    assert service.trigger(address, key="another") != first


def test_a_run_has_a_report(service: Service, poster: Poster) -> None:
    accepted = service.trigger(poster.address("drifted", SEED))
    service.wait(accepted, timeout=PATIENCE)
    report = plain.get(f"{accepted.status_url}/report")
    assert report.status_code == 200
    assert report.headers["Content-Type"].startswith("text/html")
    assert "target_drift" in report.text
