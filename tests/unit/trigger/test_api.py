from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from regraft_core import layout
from regraft_core.definition import read_definition
from regraft_core.record import is_cancelled
from regraft_core.runs import Cause, Run, RunState, new_run_id
from regraft_core.serving import Serving
from regraft_core.source import whole_address
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_core.stores.queue import RunStore
from regraft_core.taskstate import TaskState, write_state
from regraft_core.verdict import Verdict
from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.predictors import Predictors
from tests.unit.trigger.serving import DATA_URL, Running, Serve, running, wait_for

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


def test_fifty_triggers_with_one_key_are_one_run(service: Running) -> None:
    def post(_: int) -> str:
        answer = service.client.post("/trigger", json={"data_url": DATA_URL}, headers={"Idempotency-Key": "nightly"})
        return f"{answer.status_code} {answer.json()['run_id']}"

    before = len(service.runs.recent(limit=500))
    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(post, range(50)))

    assert len(answers) == 1
    assert answers.pop().startswith("202 ")
    assert len(service.runs.recent(limit=500)) == before + 1


def test_a_rollback_is_a_run_of_its_own_even_with_the_key_of_a_trigger(service: Running) -> None:
    headers = {"Idempotency-Key": "shared"}
    trigger = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers)
    rollback = service.client.post("/rollback", json={"task": "passwords", "version": "3"}, headers=headers)

    assert rollback.status_code == 202
    assert rollback.json()["run_id"] != trigger.json()["run_id"]
    run = service.client.get(rollback.headers["location"]).json()
    assert (run["kind"], run["to_version"], len(run["steps"])) == ("rollback", "3", 1)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "schlüssel".encode().decode("latin-1")])
def test_a_key_that_is_no_key_is_refused(service: Running, key: str) -> None:
    answer = service.client.post(
        "/trigger", json={"data_url": DATA_URL}, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")


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
    wait_for(lambda: 'regraft_runs_ended_total{state="cancelled",task="passwords"} 1.0' in metrics(service))


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


@pytest.mark.parametrize("other", [{"data_url": f"{DATA_URL}?2"}, {"force": True}, {"task": "heart-disease"}])
def test_a_key_stands_for_one_request(service: Running, other: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": f"key-{next(iter(other))}"}
    first = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers)
    again = service.client.post("/trigger", json={"data_url": DATA_URL, "task": "passwords"}, headers=headers)
    another = service.client.post("/trigger", json={"data_url": DATA_URL} | other, headers=headers)

    assert first.json() == again.json()
    assert (another.status_code, another.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["bootstrap/passwords/0", "rollback x"])
def test_a_key_never_is_the_id_of_a_run_of_another_kind(service: Running, key: str) -> None:
    if " " not in key:
        answer = service.client.post("/trigger", json={"data_url": DATA_URL}, headers={"Idempotency-Key": key})
        assert answer.json()["run_id"] != new_run_id(key)
    rollback = service.client.post("/rollback", json={"task": "passwords"}, headers={"Idempotency-Key": "x"})
    trigger = service.client.post("/trigger", json={"data_url": DATA_URL}, headers={"Idempotency-Key": "x"})
    assert rollback.json()["run_id"] != trigger.json()["run_id"]


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


def test_tasks_are_listed_with_their_state_and_a_broken_one_with_its_reason(serve: Serve) -> None:
    service = serve(tasks=["passwords", "heart-disease", "penguins", "new"])
    why = Cause(code="task_broken", message="the task penguins cannot be loaded: ModuleNotFoundError: no pygmo")
    write_state(service.objects, TaskState(name="passwords", kind="regression", source="passwords.py"))
    write_state(service.objects, TaskState(name="penguins", broken=why))
    service.objects.put(layout.serving("heart-disease"), b"{")
    serving = Serving(task="passwords", version="7", run_id="run-a", uri="s3://b/", since=datetime.now(UTC))
    put_model(service.objects, layout.serving("passwords"), serving)

    tasks = {task["name"]: task for task in service.client.get("/tasks").json()["tasks"]}
    ready = service.client.get("/ready")
    page = service.client.get("/")

    assert {name: task["state"] for name, task in tasks.items()} == {
        "passwords": "serving",
        "heart-disease": "unknown",
        "penguins": "broken",
        "new": "starting",
    }
    assert (tasks["passwords"]["version"], tasks["passwords"]["source"]) == ("7", "passwords.py")
    assert tasks["heart-disease"]["reason"]["code"] == "object_unreadable"
    assert "serving/heart-disease.json" in tasks["heart-disease"]["reason"]["message"]
    assert tasks["penguins"]["reason"] == why.model_dump()
    assert ready.status_code == 200
    assert [task["reason"]["code"] for task in ready.json()["broken"]] == ["object_unreadable", "task_broken"]
    assert "no pygmo" in page.text
    assert service.accept(task="heart-disease").state == RunState.QUEUED


def test_what_a_changed_file_will_change_is_seen_before_a_run(serve: Serve, tmp_path: Path) -> None:
    service = serve(tasks=["pets"])
    path = tmp_path / "pets" / "task.yaml"
    path.parent.mkdir()
    text = (
        "apiVersion: regraft.dev/v1\nkind: Task\nname: pets\ntarget: cat\ncolumns:\n"
        "  - {name: mass, type: number}\n  - {name: cat, type: boolean}\n"
    )
    path.write_text(text)
    contract = read_definition(text).contract()
    write_state(service.objects, TaskState(name="pets", source=str(path), definition=read_definition(text).hash))
    serving = Serving(
        task="pets", version="1", run_id="run-a", uri="s3://b/", since=datetime.now(UTC), contract=contract
    )
    put_model(service.objects, layout.serving("pets"), serving)

    def shown() -> dict[str, Any]:
        (task,) = service.client.get("/tasks").json()["tasks"]
        return {key: task[key] for key in ("state", "reason", "changes")}

    assert shown() == {"state": "serving", "reason": None, "changes": []}
    path.write_text(text.replace("{name: mass, type: number}", "{name: mass, type: number, maximum: 90}"))
    (change,) = shown()["changes"]
    assert change["code"] == "contract_changed"
    assert "mass" in change["message"]
    assert change["message"][1:] in service.client.get("/").text
    path.write_text(text.replace("type: number", "type: nmber"))
    assert (shown()["state"], "line 6" in shown()["reason"]["message"]) == ("broken", True)
    path.write_text(text)
    assert shown() == {"state": "serving", "reason": None, "changes": []}


def test_a_background_task_that_dies_makes_the_service_unready(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(*_: object) -> None:
        raise ValueError("surprise")

    monkeypatch.setattr(Predictors, "follow", die)
    service = serve()
    wait_for(lambda: service.client.get("/ready").status_code == 503)
    answer = service.client.get("/ready").json()
    assert answer["code"] == "background_ended"
    assert "look at predictors" in answer["detail"]
    assert "surprise" in answer["detail"]
    assert service.client.get("/health").status_code == 200


def test_changes_that_cannot_be_followed_make_the_service_unready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(LocalBackend, "changes", lambda _: 1 / 0)
        service = serve()
        wait_for(lambda: service.client.get("/ready").status_code == 503)
        assert "ZeroDivisionError" in service.client.get("/ready").json()["detail"]


def metrics(service: Running) -> str:
    return service.client.get("/metrics").text


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


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {"X-Forwarded-Prefix": "/regraft/", "X-Forwarded-Proto": "https"}),
        ({"root_path": "/regraft"}, {"X-Forwarded-Proto": "https"}),
    ],
)
def test_addresses_are_those_that_the_client_sees_behind_a_proxy(
    serve: Serve, settings: dict[str, str], headers: dict[str, str]
) -> None:
    service = serve(**settings)
    headers |= {"Host": "data.example.org"}
    answer = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers)

    address = f"https://data.example.org/regraft/runs/{answer.json()['run_id']}"
    assert answer.headers["location"] == answer.json()["status_url"] == address
    page = service.client.get("/", headers=headers).text
    assert 'href="/regraft/static/page.css' in page
    assert 'data-events="/regraft/events"' in page


def test_a_prefix_may_come_with_the_path(serve: Serve) -> None:
    service = serve(root_path="/regraft")

    assert service.client.get("/regraft/health").status_code == 200
    assert service.client.get("/regraft/static/page.css").status_code == 200
    assert service.client.get("/health").status_code == 200


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", '/"onload="', "https://evil.example"])
def test_a_strange_prefix_is_ignored(service: Running, prefix: str) -> None:
    answer = service.client.get("/", headers={"X-Forwarded-Prefix": prefix})

    assert 'href="/static/page.css' in answer.text


def test_a_service_that_can_write_is_ready(service: Running) -> None:
    assert service.client.get("/health").json() == {"status": "alive"}
    assert service.client.get("/ready").json() == {"status": "ready", "broken": []}


def test_a_service_without_its_database_is_not_ready_and_accepts_nothing(serve: Serve) -> None:
    service = serve()
    with closing(sqlite3.connect(service.runs.path)) as db:
        db.execute("ALTER TABLE runs RENAME TO elsewhere")
        ready = service.client.get("/ready")
        trigger = service.client.post("/trigger", json={"data_url": DATA_URL})
        alive = service.client.get("/health")
        page = service.client.get("/")
        db.execute("ALTER TABLE elsewhere RENAME TO runs")

    for answer in (ready, trigger):
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert alive.status_code == 200
    assert "The runs cannot be read now" in page.text
    assert service.client.get("/ready").status_code == 200
    assert service.client.get("/runs").json()["runs"] == []


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
