"""The command ``tasks``: what there is, and how it is."""
# ruff: noqa: PLC0415  (imports only what is used)

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.options import DEFAULT_DATA, AsJson, Data, Token, Url, trigger_at
from regraft_core.listing import first_of

if TYPE_CHECKING:
    from regraft_core.taskstate import TaskShown
    from regraft_pipeline.tasks import BrokenTask, Task

MOST_NAMED = 15
"""Most columns of a task that are named in the list."""


def tasks(
    as_json: AsJson = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of task.yaml instead")] = False,
    url: Url = None,
    token: Token = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """List the tasks: those that ship, those of packages, those of the folder of task files.

    Which of them are broken says the stack besides; where none answers, what it left in the data folder.
    """
    if schema:
        from regraft_core.definition import json_schema

        sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
        return
    from regraft_pipeline.tasks import find_tasks

    out, found = terminal.make_console(), find_tasks()
    told = _told(url, token, data, list(found))
    described = [_described(task, told.pop(task.name, None)) for task in found.values()]
    described += [shown.model_dump(mode="json", exclude_none=True) | _shown(shown) for shown in told.values()]
    if as_json:
        out.print_json(json.dumps(described))
        return
    table = Table("task", "kind", "features", "target", "what", box=None)
    for one in described:
        if one.get("reason"):
            table.add_row(one["name"], f"[red]{one['state']}[/]", "", "", Text(one["reason"]))
            continue
        features = first_of([column["name"] for column in one.get("features", ())], MOST_NAMED)
        target = one.get("target", {}).get("name", "")
        table.add_row(one["name"], one.get("kind"), features, target, one.get("description"))
    out.print(table)
    for one in described:
        for change in one["changes"]:
            out.print(Text(f"{one['name']}: {change}", "yellow"), soft_wrap=True)


def _told(url: str | None, token: str | None, data: Path, names: list[str]) -> dict[str, TaskShown]:
    """Return the tasks as the stack shows them; where none answers, those found as they were written down last."""
    from regraft_cli.client import TriggerClient
    from regraft_core.errors import RegraftError
    from regraft_core.stores.objects import FileStore
    from regraft_core.taskstate import TaskShown, read_state

    try:
        return {task.name: task for task in TriggerClient(trigger_at(url, data), token).tasks()}
    except RegraftError:
        store = FileStore(data / "bucket")
        states = (read_state(store, name) for name in names)
        broken = (state for state in states if state and state.broken)
        return {state.name: TaskShown(name=state.name, state="broken", reason=state.broken) for state in broken}


def _shown(shown: TaskShown | None) -> dict[str, Any]:
    """Return what a stack says of a task: its trouble, and what clients will notice of its definition."""
    changes = {"changes": [change.message for change in shown.changes] if shown else []}
    if shown is None:
        return changes | {"state": "unknown"}
    return changes | {"state": shown.state} | ({"reason": shown.reason.message} if shown.reason else {})


def _described(task: Task | BrokenTask, shown: TaskShown | None) -> dict[str, Any]:
    from regraft_pipeline.tasks import BrokenTask

    if isinstance(task, BrokenTask):
        return {
            "name": task.name,
            "state": "broken",
            "source": task.source,
            "reason": task.error.message,
            "changes": [],
        }
    head = {"name": task.name, "source": task.source, "definition": task.definition}
    about = {"kind": task.kind, "description": task.description, **task.contract.model_dump(mode="json")}
    return head | about | _shown(shown)
