"""The list of tasks: their states, what is broken, and what a changed file will change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regraft_core import layout
from regraft_core.definition import read_definition
from regraft_core.definition.state import as_the_file_says
from regraft_core.runs import Cause, RunState
from regraft_core.serving import Serving
from regraft_core.stores.objects import put_model
from regraft_core.taskstate import TaskState, write_state
from tests.unit.trigger.serving import Serve


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
