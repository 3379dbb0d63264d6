"""Runs that somebody cancels."""

from __future__ import annotations

from regraft_core import layout
from regraft_core.record import is_cancelled
from regraft_core.runs import Run, RunState
from regraft_core.stores.objects import get_model
from tests.unit.trigger.serving import Serve
from tests.waiting import wait_for


def test_a_run_that_waits_is_cancelled_with_its_record(serve: Serve) -> None:
    service = serve()
    run = service.accept()

    answer = service.client.post(f"/runs/{run.run_id}/cancel")
    again = service.client.post(f"/runs/{run.run_id}/cancel")
    page = service.client.get(f"/runs/{run.run_id}", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.json()["run_id"]) == (202, run.run_id)
    assert answer.headers["location"] == f"{service.url}/runs/{run.run_id}"
    assert service.client.get(f"/runs/{run.run_id}").json()["state"] == "cancelled"
    assert (again.status_code, again.json()["code"]) == (409, "run_ended")
    assert "Cancelled" in page.text
    record = get_model(service.objects, layout.record(run.run_id), Run)
    assert record is not None
    assert record.state == RunState.CANCELLED
    counted = 'regraft_runs_ended_total{state="cancelled",task="passwords"} 1.0'
    wait_for(lambda: counted in service.client.get("/metrics").text)


def test_who_works_on_a_run_is_asked_to_end_it(serve: Serve) -> None:
    service = serve()
    run = service.accept()
    service.runs.claim()

    answers = [service.client.post(f"/runs/{run.run_id}/cancel").status_code for _ in range(2)]

    assert answers == [202, 202]
    assert is_cancelled(service.objects, run.run_id)
    assert service.client.get(f"/runs/{run.run_id}").json()["state"] == "running"


def test_cancelling_needs_the_token_and_a_run(serve: Serve) -> None:
    service = serve(trigger_token="s3cret")

    assert service.client.post("/runs/run-aaaaaaaaaaaa/cancel").status_code == 401
    answer = service.client.post("/runs/run-aaaaaaaaaaaa/cancel", headers={"Authorization": "Bearer s3cret"})
    assert (answer.status_code, answer.json()["code"]) == (404, "run_unknown")
