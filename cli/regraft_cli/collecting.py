"""The command ``collect``: what was asked and what really happened become a dataset."""
# ruff: noqa: PLC0415, PLR0917  (imports only what is used; the arguments of a command are its options)

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from regraft_cli.following import tell_accepted
from regraft_cli.options import DEFAULT_DATA, AsJson, Data, Token, Url, trigger_at
from regraft_core.codes import Code
from regraft_core.errors import RegraftError


def collect(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Which task")],
    since: Annotated[str, typer.Option(help="How long ago outcomes were told at most: 90m, 12h, 7d")] = "7d",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the dataset to this file, and post nothing")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it ends")] = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Make a dataset of the requests that were kept and of what really happened, and post it."""
    from regraft_cli.client import TriggerClient

    client = TriggerClient(trigger_at(url, data), token)
    rows = client.collected(task, since)
    if rows.count(b"\n") < 2:
        message = (
            f"no outcome of a row that was kept has been told within {since}; POST /tasks/{task}/outcomes tells one, "
            "and what is asked is kept within a minute or two, where the task's file says 'requests: {keep: ...}'"
        )
        raise RegraftError(message, code=Code.TOO_FEW_ROWS)
    if output is not None:
        output.write_bytes(rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{task}-collected.csv"
        file.write_bytes(rows)
        run_id = client.trigger(str(file), task=task)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)
