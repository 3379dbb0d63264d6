"""Tasks in a folder of files: found, kept by a run, and broken without hindering others."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from regraft_core.errors import RegraftError
from regraft_core.runs import RunRequest
from regraft_core.stores.objects import open_store
from regraft_pipeline.assembly import kept_task
from regraft_pipeline.tasks import BrokenTask, Task, find_tasks, load_task

FILE = """\
apiVersion: regraft.dev/v1
kind: Task
name: flats
target: level
columns:
  - {name: size, type: number, minimum: 0}
  - {name: level, type: string, categories: [high, low]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tasks = tmp_path / "tasks"
    write(tasks, "flats", FILE)
    monkeypatch.setenv("REGRAFT_TASKS_DIR", str(tasks))
    return tasks


def write(tasks: Path, name: str, text: str) -> Path:
    home = tasks / name
    home.mkdir(parents=True, exist_ok=True)
    (home / "reference.csv").write_text("size,level\n1,low\n2,high\n")
    (home / "task.yaml").write_text(text)
    return home / "task.yaml"


def test_a_file_is_a_task_beside_those_that_ship(folder: Path) -> None:
    assert list(find_tasks()) == ["passwords", "heart-disease", "flats"]
    task = load_task("flats")
    assert task.first_dataset() == b"size,level\n1,low\n2,high\n"
    assert (task.kind, task.source) == ("classification", str(folder / "flats" / "task.yaml"))
    assert task.bootstrap().columns.tolist() == ["size", "level"]
    assert task.model_name("ada") == "ada-flats"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("type: number", "type: numbr", "line 6"),
        ("target: level", "target: level\nestimator: magic", "the estimator 'magic' is needed"),
        ("target: level", "target: level\nreference: other.csv", "the reference other.csv is not there"),
        ("name: flats", "name: flats", "there is a task 'flats' already"),
    ],
)
def test_a_broken_file_hinders_no_other(folder: Path, right: str, wrong: str, told: str) -> None:
    write(
        folder,
        "zz",
        FILE.replace(right, wrong).replace("name: flats", "name: flats" if "already" in told else "name: zz"),
    )
    found = find_tasks()
    assert isinstance(found["flats"], Task)
    broken = found["zz"]
    assert isinstance(broken, BrokenTask)
    assert told in broken.error.message
    with pytest.raises(RegraftError):
        load_task("zz")


def test_a_run_keeps_the_definition_that_it_began_with(folder: Path, tmp_path: Path) -> None:
    store = open_store((tmp_path / "bucket").as_uri())
    request = RunRequest(run_id="run-1", task="flats", accepted_at=datetime(2026, 1, 1, tzinfo=UTC))
    first = kept_task(request, store)
    write(folder, "flats", FILE.replace("minimum: 0", "minimum: 1"))
    again = kept_task(request, store)
    assert again.contract == first.contract
    assert again.definition == first.definition != load_task("flats").definition
    assert load_task("flats").contract.features[0].minimum == 1
    (folder / "flats" / "task.yaml").unlink()
    assert kept_task(request, store).definition == first.definition
