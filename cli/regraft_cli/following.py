"""A run from its acceptance to its end, as the command line tells of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.options import url_option
from regraft_core.runs import RunState

if TYPE_CHECKING:
    from regraft_cli.client import TriggerClient

EXIT_CODES = {RunState.PROMOTED: 0, RunState.UNCHANGED: 0, RunState.REJECTED: 3}
"""Exit codes by the end of a run; 1 for all others."""

out = terminal.make_console()
err = terminal.make_console(stderr=True)


def tell_accepted(client: TriggerClient, run_id: str, *, wait: bool, as_json: bool) -> None:
    """Watch a run that was just accepted, or leave its id to whoever asked for it."""
    if wait:
        watch_run(client, run_id, as_json)
    out.print_json(json.dumps({"run_id": run_id})) if as_json else out.print(run_id)
    err.print(Text(f"watch it: regraft watch {run_id}{url_option(client.url)}", "dim"), soft_wrap=True)


def watch_run(client: TriggerClient, run_id: str, as_json: bool, end: terminal.End | None = None) -> NoReturn:
    """Show a run until it ends, say what its end means, and exit as it ended."""
    last = terminal.follow(client.follow(run_id), err)
    if as_json:
        out.print_json(json.dumps(last.model_dump(mode="json")))
    else:
        err.print(terminal.end(last, end or _at(client.url)))
    raise typer.Exit(EXIT_CODES.get(last.state, 1))


def _at(url: str) -> terminal.End:
    """Return how to go on with a trigger service."""
    links = {"run": f"{url}/runs/{{}}", "report": f"{url}/runs/{{}}/report"}
    return terminal.End("regraft trigger", f" --wait{url_option(url)}", links)
