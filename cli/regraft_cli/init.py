"""The command ``init``: from a CSV to a task's file."""
# ruff: noqa: PLC0415, PLR0917  (imports wait until they are needed; the arguments of a command are its options)

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regraft_cli import terminal

if TYPE_CHECKING:
    from regraft_pipeline.init import Draft, Written
    from regraft_pipeline.init.draft import ColumnDraft

DEFAULT_TASKS = Path("tasks")
LONG_RUN = 10
"""So many columns side by side that are taken for the same have one line: of hundreds nobody reads each."""

Tasks = Annotated[Path, typer.Option("--tasks", envvar="REGRAFT_TASKS_DIR", help="Folder of task files")]


def init(
    csv: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A table with a header")],
    target: Annotated[str, typer.Option(help="The column that is predicted")],
    name: Annotated[str | None, typer.Option(help="Name of the task; the file's where none is given")] = None,
    ignore: Annotated[str, typer.Option(help="Columns to leave aside: a,b,c")] = "",
    tasks: Tasks = DEFAULT_TASKS,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table")] = False,
) -> None:
    """Write a task's file from a table: what each column is, what becomes of it, and why.

    Nothing is asked; every decision can be edited in the file.
    """
    # The matrices are small: threads that wait for each other cost more than they help.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from regraft_pipeline.init import draft, write
    from regraft_pipeline.init.table import read_table
    from regraft_pipeline.init.written import name_of

    out, err = terminal.make_console(), terminal.make_console(stderr=True)
    chosen = name_of(csv, name)
    with err.status(f"reading {csv.name}"):
        table = read_table(csv)
        found = draft(table.frame, target, ignore=[part.strip() for part in ignore.split(",") if part.strip()])
    with err.status("holding one half of the rows against the other, through all gates"):
        written = write(found, table, csv, tasks, name=chosen, force=force)
    if as_json:
        out.print_json(json.dumps(_document(found, written)))
    else:
        out.print(_told(found, written, tasks, repeated=table.repeated))


def _told(draft: Draft, written: Written, tasks: Path, *, repeated: int) -> Group:
    table = Table("column", "taken for", "what is done with it, and why", box=None)
    for alike in _runs(draft.columns):
        column, last = alike[0], alike[-1]
        what = Text("left aside", "dim") if column.ignored else Text(column.type)
        role = "target: " if column.is_target else ""
        name = column.name or "''"
        name = name if last is column else f"{name} … {last.name} ({len(alike):,} columns)"
        table.add_row(Text(name), what, Text(role + column.why))
    parts: list[RenderableType] = [
        Text(f"{draft.rows:,} rows, {len(draft.features)} columns tell of {draft.target.name}: {draft.problem}"),
        Text(),
        table,
    ]
    look = [f"  {one.column}: {one.message}" for one in draft.suspicions if one.code != "note"]
    if repeated:
        look.append(f"  the header stands {repeated} times more below itself: left out of the reference")
    if look:
        parts += [Text(), Text("look at", "bold"), *map(Text, look)]
    option = "" if tasks == DEFAULT_TASKS else f" --tasks {shlex.quote(str(tasks))}"
    reference = written.path.with_name("reference.csv")
    parts += [
        Text(),
        Text(_estimator(written)),
        Text(f"one half held against the other: {written.halves.summary() if written.halves.accepted else 'rejected'}"),
        *(Text(f"  {reason.severity}: {reason.message}") for reason in written.halves.reasons),
        Text(),
        Text(f"written: {written.path}, {reference}"),
        *_refused(written),
        Text(f"{'next' if written.halves.accepted else 'then'}: regraft up{option}", "bold"),
    ]
    return Group(*parts)


def _runs(columns: Sequence[ColumnDraft]) -> Iterator[list[ColumnDraft]]:
    """Return the columns one by one, but many side by side of which the same is told together."""
    for _, run in groupby(columns, lambda column: (column.type, column.why, column.is_target)):
        alike = list(run)
        if len(alike) < LONG_RUN:
            yield from ([one] for one in alike)
        else:
            yield alike


def _refused(written: Written) -> list[Text]:
    """Return what follows where the gates refuse the table's own other half."""
    if written.halves.accepted:
        return []
    return [Text("a run would refuse such data, too: bring more or other rows, or edit the file", "bold yellow")]


def _estimator(written: Written) -> str:
    if written.skill is None:
        return "estimator: auto; no half of the rows can be trained on"
    chosen = f"estimator: auto, which takes the {written.model} model" if written.model else "estimator: auto"
    losses = ", ".join(f"{name} {loss:.4g}" for name, loss in written.losses.items())
    compared = f" (loss on held-out rows: {losses})" if len(written.losses) > 1 else ""
    words = "on rows it has not seen (0: no better than a constant, 1: always right)"
    return f"{chosen}{compared}; skill {written.skill:.3f} {words}"


def _document(draft: Draft, written: Written) -> dict[str, Any]:
    return {
        "task": written.task.name,
        "path": str(written.path),
        "rows": draft.rows,
        "problem": draft.problem,
        "columns": [
            {"name": column.name, "type": column.type, "target": column.is_target, "why": column.why}
            for column in draft.columns
        ],
        "suspicions": [vars(one) for one in draft.suspicions],
        "skill": written.skill,
        "model": written.model,
        "held_out_losses": dict(written.losses),
        "halves": {
            "accepted": written.halves.accepted,
            "reasons": [reason.model_dump(mode="json") for reason in written.halves.reasons],
        },
    }
