"""The command ``regraft prune``: what is kept, and what goes."""
# ruff: noqa: PLC0415, PLR0917  (imports only what is used; the arguments of a command are its options)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.options import DEFAULT_DATA, AsJson, Data, OneTask, settings_of

if TYPE_CHECKING:
    from regraft_pipeline.prune import Plan


def prune(
    task: OneTask = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Newest versions of a task to keep")] = None,
    days: Annotated[int | None, typer.Option(min=0, help="Days that runs without a kept version are kept")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Remove old versions, runs and datasets; what serves, served before or is pinned stays.

    The stack of the data folder must be up, for its registry is asked.
    """
    from regraft_pipeline.prune import Policy, carry_out, plan

    out, err = terminal.make_console(), terminal.make_console(stderr=True)
    settings = settings_of(data)
    policy = Policy(
        versions=settings.keep_versions if keep is None else keep, days=settings.keep_run_days if days is None else days
    )
    with err.status("looking for what nobody needs"):
        found = plan(settings, policy, task=task)
    out.print_json(json.dumps(_document(found))) if as_json else out.print(_table(found))
    for name, reason in found.left_alone.items():
        err.print(Text(f"{name} is left alone: {reason}", "red"), soft_wrap=True)
    if dry_run or not any(found.counts().values()):
        return
    if not yes:
        typer.confirm("Remove these for good?", abort=True, err=True)
    with err.status("removing"):
        carry_out(found, settings)


def _document(found: Plan) -> dict[str, Any]:
    versions = [{"task": task.name, "version": version.number} for task, version in found.versions]
    return {"versions": versions, "runs": sorted(found.runs), "datasets": found.datasets, "counts": found.counts()}


def _table(found: Plan) -> Table:
    table = Table("what goes", "how many", "which", box=None)
    which = {
        "versions": [f"{task.name} {version.number}" for task, version in found.versions],
        "runs": sorted(found.runs),
        "working files": found.working_files,
        "datasets": [sha256[:12] for sha256 in found.datasets],
    }
    for what, names in which.items():
        table.add_row(what, str(len(names)), Text(", ".join(names), overflow="ellipsis", no_wrap=True))
    return table
