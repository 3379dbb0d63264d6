"""The list of tasks: their states, what is broken, and what a changed file will change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from regraft_core import layout
from regraft_core.definition import WatchedFolder, read_definition
from regraft_core.definition.state import as_the_file_says
from regraft_core.runs import Cause, RunState
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, put_model
from regraft_core.stores.queue import RunStore
from regraft_core.taskstate import TaskState, write_state
from regraft_trigger.backends.local import LocalBackend
from tests.unit.trigger.serving import Serve, running

PETS = (
    "apiVersion: regraft.dev/v1\nkind: Task\nname: pets\ntarget: cat\ncolumns:\n"
    "  - {name: mass, type: number}\n  - {name: cat, type: boolean}\n"
)


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
    text = PETS
    path.write_text(text)
    (path.parent / "reference.csv").write_text("mass,cat\n1,true\n")
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
    change, not_compared = shown()["changes"]
    assert change["code"] == not_compared["code"] == "contract_changed"
    assert "mass" in change["message"]
    assert "not compared" in not_compared["message"]
    assert all(one["message"][1:] in service.client.get("/").text for one in (change, not_compared))
    path.write_text(text.replace("type: number", "type: nmber"))
    assert (shown()["state"], "line 6" in shown()["reason"]["message"]) == ("broken", True)
    path.write_text(text)
    assert shown() == {"state": "serving", "reason": None, "changes": []}
    twin = TaskState(name="twin", source=str(path), broken=Cause(code="task_invalid", message="there is a task 'pets'"))
    assert as_the_file_says(twin) == twin
    path.unlink()
    assert (shown()["state"], shown()["reason"]["code"]) == ("broken", "task_unknown")
    assert f"{path} is gone" in shown()["reason"]["message"]


def no_type(file: Path) -> None:
    file.write_text(PETS.replace("type: number", "type: nmber"))


def no_reference(file: Path) -> None:
    (file.parent / "reference.csv").unlink()


def no_file(file: Path) -> None:
    file.unlink()


def another_name(file: Path) -> None:
    file.write_text(PETS.replace("name: pets", "name: dogs"))


@pytest.mark.parametrize("is_seen", [True, False])
@pytest.mark.parametrize("is_watched", [True, False])
@pytest.mark.parametrize(
    ("damage", "code", "told"),
    [
        (no_type, "task_invalid", "task.yaml, line 6: "),
        (no_reference, "task_invalid", "task.yaml, line 1: the reference reference.csv is not there; put it back"),
        (no_file, "task_unknown", ""),
        (another_name, "task_invalid", "defines 'dogs' now"),
    ],
)
def test_no_run_of_a_task_whose_file_is_wrong_is_accepted_on_any_way_in(
    tmp_path: Path, damage: Callable[[Path], None], code: str, told: str, is_watched: bool, is_seen: bool
) -> None:
    if not is_seen and (not is_watched or damage in (no_file, another_name)):
        pytest.skip("nobody knows of such a task")
    file = tmp_path / "tasks" / "pets" / "task.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(PETS)
    (file.parent / "reference.csv").write_text("mass,cat\n1,true\n")
    runs, objects = RunStore(tmp_path / "regraft.db"), FileStore(tmp_path / "bucket")
    backend = LocalBackend(runs, objects, watched=WatchedFolder(tmp_path / "tasks") if is_watched else None)
    names = ["passwords"] if is_watched else ["passwords", "pets"]
    if is_watched and damage is another_name:
        code, told = "task_unknown", "there is no task 'pets'; there are: passwords"
    with running(tmp_path, backend, tasks=names) as service:
        if is_seen:
            hash_of = read_definition(PETS).hash
            write_state(objects, TaskState(name="pets", source=str(file), definition=hash_of))
        before = service.accept(task="pets", data_url="https://data.example.org/before.csv")
        known: Any = {
            "json": {"data_url": "https://data.example.org/known.csv", "task": "pets"},
            "headers": {"Idempotency-Key": "once"},
        }
        kept = service.client.post("/trigger", **known)
        damage(file)

        body = {"data_url": "https://data.example.org/pets.csv?token=secret", "task": "pets"}
        csv = {"Content-Type": "text/csv"}
        ways = {
            "json": service.client.post("/trigger", json=body),
            "upload": service.client.post("/trigger?task=pets", content="mass,cat\n1,true\n", headers=csv),
            "rollback": service.client.post("/rollback", json={"task": "pets"}),
        }
        page = service.client.post("/page/trigger", data=body)

        for way, answer in ways.items():
            problem = answer.json()
            assert (way, answer.status_code, problem["code"]) == (way, 400, code)
            assert told in problem["detail"]
        assert (page.status_code, told in page.text.replace("&#39;", "'")) == (400, True)
        assert {run.run_id for run in runs.recent()} == {before.run_id, kept.json()["run_id"]}
        assert not list(objects.keys("runs/"))
        if code == "task_invalid" and damage is not another_name:
            again = service.client.post("/trigger", **known)
            assert (again.status_code, again.json()) == (202, kept.json())

        file.write_text(PETS)
        (file.parent / "reference.csv").write_text("mass,cat\n1,true\n")
        assert service.accept(task="pets").state == RunState.QUEUED


def test_a_dataset_that_may_heal_a_task_is_taken(serve: Serve) -> None:
    service = serve(tasks=["passwords"])
    for code in ("reference_unreadable", "bootstrap_failed", "task_broken"):
        write_state(service.objects, TaskState(name="passwords", broken=Cause(code=code, message="the next heals it")))
        assert service.accept(task="passwords").state == RunState.QUEUED
