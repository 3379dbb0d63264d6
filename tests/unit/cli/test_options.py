"""All commands that speak to a stack find it in one way: --url, the environment, the data folder, the usual port."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regraft_cli import main as cli
from regraft_cli.embedded.stack import StackRecord
from regraft_core.errors import UnavailableError
from regraft_core.runs import Cause
from regraft_core.taskstate import TaskState, write_state
from tests.unit.trigger.serving import running

TRIGGER, PREDICTOR, NAMED = "http://127.0.0.1:9", "http://127.0.0.1:10", "http://127.0.0.1:11"
COMMANDS = [
    ("trigger", "https://data.example.org/x.csv"),
    ("runs",),
    ("watch", "run-a"),
    ("cancel", "run-a"),
    ("rollback", "--yes"),
    ("versions",),
    ("collect", "passwords"),
    ("predict", "Password=a"),
]


@contextmanager
def up(folder: Path, trigger_url: str = TRIGGER) -> Iterator[None]:
    """A folder as it is while a stack runs on it."""
    folder.mkdir()
    record = StackRecord(
        pid=1, children={}, trigger_url=trigger_url, predict_url=PREDICTOR, mlflow_url="http://127.0.0.1:12"
    )
    (folder / "stack.json").write_text(record.model_dump_json())
    with (folder / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def asked(*arguments: str) -> str:
    """Return what a command says of the service that it does not reach."""
    error = CliRunner().invoke(cli.app, arguments).exception
    assert isinstance(error, UnavailableError)
    return error.message


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_stack_is_found(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REGRAFT_TRIGGER_URL", "REGRAFT_PREDICTOR_URL", "REGRAFT_DATA"):
        monkeypatch.delenv(name, raising=False)
    is_predict = command[0] == "predict"
    where = PREDICTOR if is_predict else TRIGGER
    with up(tmp_path / "regraft-data"):
        assert f"answers at {where} " in asked(*command)
        assert f"answers at {NAMED} " in asked(*command, "--url", NAMED)
        monkeypatch.setenv("REGRAFT_PREDICTOR_URL" if is_predict else "REGRAFT_TRIGGER_URL", NAMED)
        assert f"answers at {NAMED} " in asked(*command)
        monkeypatch.delenv("REGRAFT_PREDICTOR_URL" if is_predict else "REGRAFT_TRIGGER_URL")
    with up(tmp_path / "elsewhere"):
        assert f"answers at {where} " in asked(*command, "--data", "elsewhere")


def test_the_list_of_tasks_asks_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRAFT_TRIGGER_URL", raising=False)
    with running(tmp_path) as service, up(tmp_path / "regraft-data", service.url):
        why = Cause(code="task_broken", message="as this stack says")
        write_state(service.objects, TaskState(name="passwords", broken=why))
        told = json.loads(CliRunner().invoke(cli.app, ["tasks", "--json"]).stdout)
        assert told[0]["reason"] == "as this stack says"
