"""Triggers and runs over HTTP: what is accepted, what is refused, what is told of a run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.runs import RunState
from regraft_core.source import whole_address
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_core.verdict import Verdict
from regraft_trigger.backends.local import LocalBackend
from tests.unit.trigger.serving import DATA_URL, Running, Serve, running

HOSTILE = "<script>alert(1)</script>"


def test_a_trigger_is_accepted_with_the_address_of_its_run(service: Running) -> None:
    answer = service.client.post("/trigger", json={"data_url": DATA_URL})

    assert answer.status_code == 202
    assert answer.json()["status_url"] == f"{service.url}/runs/{answer.json()['run_id']}"
    assert answer.headers["location"] == answer.json()["status_url"]
    run = service.client.get(answer.headers["location"]).json()
    assert (run["state"], run["task"], run["data_url"]) == ("queued", "passwords", DATA_URL)
    assert [step["name"] for step in run["steps"]] == ["download", "validate", "train", "register", "deploy"]


def test_a_trigger_needs_no_content_type(service: Running) -> None:
    content = f'{{"data_url": "{DATA_URL}"}}'

    plain = service.client.post("/trigger", content=content)
    form = service.client.post(
        "/trigger", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert (plain.status_code, form.status_code) == (202, 202)


def test_a_trigger_may_name_task_and_force(service: Running) -> None:
    run = service.accept(task="heart-disease", force=True)

    assert (run.task, run.force, run.kind) == ("heart-disease", True, "train")


@pytest.mark.parametrize("path", ["/trigger", "/rollback"])
def test_a_task_that_there_is_not_is_refused(service: Running, path: str) -> None:
    body = {"task": HOSTILE} | ({"data_url": DATA_URL} if path == "/trigger" else {})
    answer = service.client.post(path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "task_unknown")
    assert "passwords, heart-disease" in answer.json()["detail"]


def test_a_body_over_the_limit_is_refused(service: Running) -> None:
    answer = service.client.post("/trigger", json={"data_url": "https://a.b/" + "c" * 70_000})

    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert answer.json()["limit"] == 64 * 1024


def test_runs_are_listed_newest_first_a_page_at_a_time(serve: Serve) -> None:
    service = serve()
    ids = [service.accept(task=task).run_id for task in ("passwords", "heart-disease") * 3]

    first = service.client.get("/runs", params={"limit": 4}).json()
    second = service.client.get(first["next"]).json()
    hearts = service.client.get("/runs", params={"limit": 2, "task": "heart-disease"}).json()
    rest = service.client.get(hearts["next"]).json()

    assert [run["run_id"] for run in first["runs"] + second["runs"]] == ids[::-1]
    assert second["next"] is None
    assert [run["run_id"] for run in hearts["runs"] + rest["runs"]] == ids[5::-2]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "parameter_invalid"),
        ("limit=201", "parameter_invalid"),
        ("limit=many", "parameter_invalid"),
        ("before=%00", "parameter_invalid"),
        ("task=none", "task_unknown"),
    ],
)
def test_a_wrong_question_for_runs_is_refused(service: Running, query: str, code: str) -> None:
    answer = service.client.get(f"/runs?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("run_id", ["run-aaaaaaaaaaaa", "..%2e", "%00", "%ff", "r" * 300, "RUN-A", "%3Cscript%3E"])
def test_a_run_that_there_is_not_is_not_found(service: Running, run_id: str) -> None:
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/report"):
        answer = service.client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["code"] in ("run_unknown", "route_unknown")


def test_a_queue_that_is_full_says_when_to_come_again(serve: Serve, tmp_path: Path) -> None:
    backend = LocalBackend(RunStore(tmp_path / "regraft.db"), FileStore(tmp_path / "bucket"), most_waiting=1)
    with running(tmp_path, backend) as service:
        service.accept()
        answer = service.client.post("/trigger", json={"data_url": DATA_URL})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "queue_full", "30")


def test_what_is_damaged_costs_itself_only(serve: Serve) -> None:
    service = serve()
    run, other = service.accept(), service.accept()
    with closing(sqlite3.connect(service.runs.path, isolation_level=None)) as db:
        db.execute("UPDATE runs SET run = '{' WHERE run_id = ?", (run.run_id,))
    service.objects.put(layout.serving("passwords"), b"{")

    listed = {item["run_id"]: item for item in service.client.get("/runs").json()["runs"]}
    page = service.client.get("/")

    assert listed[run.run_id]["cause"]["code"] == "record_unreadable"
    assert listed[other.run_id]["state"] == "queued"
    assert page.status_code == 200
    assert other.run_id in page.text
    assert "cannot be read" in page.text


def test_a_report_may_not_do_anything(service: Running) -> None:
    run = service.accept()
    missing = service.client.get(f"/runs/{run.run_id}/report")
    service.objects.put(layout.report(run.run_id), HOSTILE.encode())

    answer = service.client.get(f"/runs/{run.run_id}/report")

    assert (missing.status_code, missing.json()["code"]) == (404, "report_unknown")
    assert answer.text == HOSTILE
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_run_with_a_verdict_links_to_its_report(service: Running) -> None:
    run = service.accept()
    run.verdict = Verdict(task="passwords", accepted=False)
    run.state, run.finished_at = RunState.REJECTED, datetime.now(UTC)
    service.runs.save(run)

    answer = service.client.get(f"/runs/{run.run_id}").json()

    assert answer["links"]["report"] == f"{service.url}/runs/{run.run_id}/report"


def test_a_secret_of_an_address_is_kept_for_the_download_alone(service: Running) -> None:
    secret = "https://data.example.org/a.csv?x=1&X-Amz-Signature=5ECRET42"
    answer = service.client.post("/trigger", json={"data_url": secret}, headers={"Idempotency-Key": "signed"})
    run_id = answer.json()["run_id"]
    run = service.runs.get(run_id)
    assert run is not None
    assert run.data_url == "https://data.example.org/a.csv?…"
    assert whole_address(service.objects, run_id) == secret
    for path in ("/runs", f"/runs/{run_id}", "/"):
        assert "5ECRET42" not in service.client.get(path, headers={"Accept": "text/html"}).text
        assert "5ECRET42" not in service.client.get(path).text
    other = {"data_url": secret.replace("x=1", "x=2")}
    again = service.client.post("/trigger", json={"data_url": secret}, headers={"Idempotency-Key": "signed"})
    reused = service.client.post("/trigger", json=other, headers={"Idempotency-Key": "signed"})
    assert again.json() == answer.json()
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert whole_address(service.objects, run_id) == secret


def test_a_bucket_is_taken_where_the_site_lists_it(serve: Serve) -> None:
    service = serve(data_buckets=["data", "shared/daily"])
    asked = {address: service.client.post("/trigger", json={"data_url": address}).status_code for address in BUCKETS}
    assert asked == BUCKETS


BUCKETS = {
    "s3://data/a b.csv": 202,
    "s3://shared/daily/a.csv": 202,
    "s3://shared/dailyx/a.csv": 400,
    "s3://x/a.csv": 400,
}
