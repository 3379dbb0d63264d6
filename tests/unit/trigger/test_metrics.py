from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from regraft_core import layout
from regraft_core.runs import Run, RunState, now
from regraft_core.serving import Serving
from regraft_core.stores.objects import put_model
from regraft_trigger.metrics import Metrics
from tests.unit.trigger.examples import BEGAN, run_of
from tests.unit.trigger.serving import DATA_URL, Running, Serve
from tests.waiting import wait_for


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_run_counts_as_open_until_it_ends() -> None:
    metrics = Metrics()
    metrics.observe(run_of(RunState.QUEUED))
    assert value(metrics, "regraft_runs_open", task="passwords", state="queued") == 1
    metrics.observe(run_of(RunState.RUNNING))
    assert value(metrics, "regraft_runs_open", task="passwords", state="queued") is None
    assert value(metrics, "regraft_runs_open", task="passwords", state="running") == 1
    metrics.observe(run_of(RunState.REJECTED))
    assert value(metrics, "regraft_runs_open", task="passwords", state="running") is None


def test_a_run_that_ends_is_counted_and_timed_once() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.observe(run_of(RunState.PROMOTED))

    labels = {"task": "passwords", "state": "promoted"}
    assert value(metrics, "regraft_runs_ended_total", **labels) == 1
    assert value(metrics, "regraft_run_seconds_sum", **labels) == 60
    assert value(metrics, "regraft_step_seconds_sum", task="passwords", step="train", state="succeeded") == 10


def test_runs_from_before_the_start_are_not_counted_as_ended() -> None:
    metrics = Metrics()
    metrics.know(run_of(RunState.FAILED))
    metrics.know(run_of(RunState.RUNNING, run_id="run-b"))
    metrics.observe(run_of(RunState.FAILED))

    assert value(metrics, "regraft_runs_ended_total", task="passwords", state="failed") is None
    assert value(metrics, "regraft_runs_open", task="passwords", state="running") == 1


def test_a_promotion_begins_the_time_since_the_last_one() -> None:
    metrics = Metrics()
    metrics.observe(run_of(RunState.PROMOTED))

    since = value(metrics, "regraft_seconds_since_promotion", task="passwords")
    assert since is not None
    assert abs(since - (time.time() - BEGAN.timestamp() - 60)) < 5


def test_an_open_run_has_an_age_until_it_ends() -> None:
    metrics = Metrics()
    metrics.observe(run_of(RunState.RUNNING))
    metrics.observe(run_of(RunState.QUEUED, run_id="run-b", accepted_at=BEGAN + timedelta(hours=1)))
    age = value(metrics, "regraft_runs_oldest_open_seconds", task="passwords")
    assert age is not None
    assert abs(age - (time.time() - BEGAN.timestamp())) < 5
    metrics.observe(run_of(RunState.FAILED))
    younger = value(metrics, "regraft_runs_oldest_open_seconds", task="passwords")
    assert younger is not None
    assert abs(age - 3600 - younger) < 5
    metrics.observe(run_of(RunState.PROMOTED, run_id="run-b"))
    assert value(metrics, "regraft_runs_oldest_open_seconds", task="passwords") is None


def ended(state: RunState, hour: int, **fields: Any) -> Run:
    return run_of(state, run_id=f"run-{hour}", accepted_at=BEGAN + timedelta(hours=hour), **fields)


def test_rejections_are_counted_since_the_last_dataset_that_serves() -> None:
    metrics = Metrics(["passwords"])
    assert value(metrics, "regraft_runs_rejected_in_a_row", task="passwords") == 0
    # What was before the start is told newest first.
    for state, hour in ((RunState.REJECTED, 4), (RunState.PROMOTED, 3), (RunState.REJECTED, 2)):
        metrics.know(ended(state, hour))
    assert value(metrics, "regraft_runs_rejected_in_a_row", task="passwords") == 1
    for run in (ended(RunState.REJECTED, 5), ended(RunState.FAILED, 6), ended(RunState.PROMOTED, 7, kind="rollback")):
        metrics.observe(run)
    assert value(metrics, "regraft_runs_rejected_in_a_row", task="passwords") == 2
    metrics.observe(ended(RunState.UNCHANGED, 8))
    assert value(metrics, "regraft_runs_rejected_in_a_row", task="passwords") == 0


def test_counters_of_the_tasks_begin_at_zero() -> None:
    metrics = Metrics(["passwords"])
    assert value(metrics, "regraft_runs_ended_total", task="passwords", state="rolled_back") == 0
    assert value(metrics, "regraft_runs_ended_total", task="passwords", state="running") is None
    assert value(metrics, "regraft_runs_accepted_total", task="passwords", kind="train") == 0


def test_memory_of_ended_runs_is_bounded() -> None:
    metrics = Metrics()
    for number in range(1200):
        metrics.observe(run_of(RunState.FAILED, run_id=f"run-{number}"))

    assert len(metrics._ended) == 1000


def test_answers_are_counted_by_route_status_and_code(service: Running) -> None:
    service.client.post("/trigger", json={"data_url": DATA_URL})
    service.client.post("/trigger", json={})
    service.client.get("/runs/run-aaaaaaaaaaaa")
    service.client.request("PURGE", "/nothing")

    text = service.client.get("/metrics").text

    assert 'regraft_runs_accepted_total{kind="train",task="passwords"} 1.0' in text
    assert 'regraft_problems_total{code="field_missing",route="/trigger"} 1.0' in text
    assert 'regraft_request_seconds_count{method="POST",route="/trigger",status="202"} 1.0' in text
    assert 'regraft_request_seconds_count{method="GET",route="/runs/{run_id}",status="404"} 1.0' in text
    assert 'method="other",route="none",status="404"' in text
    assert "process_resident_memory_bytes" in text


def test_what_was_before_the_start_is_known(serve: Serve) -> None:
    first = serve()
    first.accept()
    serving = Serving(task="passwords", version="3", run_id="run-a", uri="file:///x/", since=now())
    put_model(first.objects, layout.serving("passwords"), serving)
    second = serve()

    wait_for(lambda: 'regraft_seconds_since_promotion{task="passwords"}' in second.client.get("/metrics").text)
    assert 'regraft_runs_open{state="queued",task="passwords"} 1.0' in second.client.get("/metrics").text
