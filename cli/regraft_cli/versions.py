"""The commands about versions: ``versions``, and what leaves with one: ``data`` and ``pull``."""
# ruff: noqa: PLC0415, PLR0917  (imports only what is used; the arguments of a command are its options)

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.options import (
    DEFAULT_DATA,
    AsJson,
    Data,
    StackUrl,
    TaskName,
    Token,
    Url,
    settings_of,
    stack_of,
    task_names,
    trigger_at,
)

Number = Annotated[str, typer.Argument(metavar="VERSION", help="Number of the version")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it")]


def versions(
    task: TaskName = None,
    folder: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a task, newest first: what each was trained on, how good it is, when it served."""
    from regraft_cli.client import TriggerClient

    out = terminal.make_console()
    found = TriggerClient(trigger_at(url, folder), token).versions(task or task_names()[0])
    if as_json:
        out.print_json(json.dumps([shown.model_dump(mode="json") for shown in found]))
        return
    table = Table("version", "", "made", "dataset", "served", "metrics", box=None)
    for shown in found:
        served = ", ".join(
            f"{one.since:%Y-%m-%d %H:%M} to {f'{one.until:%Y-%m-%d %H:%M}' if one.until else 'now'}"
            for one in shown.served
        )
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in list(shown.metrics.items())[:3])
        table.add_row(
            shown.version,
            Text("serves", "green") if shown.serving else "",
            f"{shown.made_at:%Y-%m-%d %H:%M}" if shown.made_at else "",
            (shown.data_sha256 or "")[:12],
            served or "never",
            metrics,
        )
    out.print(table)


def data(
    version: Number,
    task: TaskName = None,
    output: Output = None,
    folder: Data = DEFAULT_DATA,
    url: StackUrl = None,
    token: Token = None,
) -> None:
    """Print the dataset that a version was trained on, as it came, or write it to a file.

    Without --url the stack of the data folder must be up, for its registry is asked.
    """
    name = task or task_names()[0]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "data"
        if stack := stack_of(url, name, folder):
            from regraft_cli.client import TriggerClient

            TriggerClient(stack, token).download(name, version, "data", path)
        else:
            from regraft_pipeline.taking import dataset_of
            from regraft_pipeline.tasks import load_task

            dataset_of(load_task(name), version, settings_of(folder), path)
        if output is not None:
            shutil.move(path, output)
            with output.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            terminal.make_console(stderr=True).print(Text(f"{output}: SHA-256 {sha256}"), soft_wrap=True)
            return
        with path.open("rb") as content:
            shutil.copyfileobj(content, sys.stdout.buffer)
        sys.stdout.flush()


def pull(
    version: Number,
    task: TaskName = None,
    output: Output = None,
    folder: Data = DEFAULT_DATA,
    url: StackUrl = None,
    token: Token = None,
) -> None:
    """Write a version's bundle with all that loads it elsewhere: `mlflow.pyfunc.load_model` needs no Regraft here.

    Without --url the stack of the data folder must be up, for its registry is asked.
    """
    from regraft_pipeline import taking

    name = task or task_names()[0]
    home = output or Path(f"{name}-{version}")
    if stack := stack_of(url, name, folder):
        from regraft_cli.client import TriggerClient

        taking.package(TriggerClient(stack, token).bundle(name, version), home)
    else:
        from regraft_pipeline.tasks import load_task

        taking.pull(load_task(name), version, settings_of(folder), home)
    out = terminal.make_console()
    out.print(terminal.pairs([
        ("model", str(home / "model")),
        ("install", f"pip install -r {home}/requirements.txt"),
        ("load", f'mlflow.pyfunc.load_model("{home}/model")'),
    ]))  # fmt: skip
