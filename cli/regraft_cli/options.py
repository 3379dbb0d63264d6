"""Options that several commands share, and the settings that a data folder stands for."""
# ruff: noqa: PLC0415  (commands import what they need themselves)

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regraft_core.codes import Code
from regraft_core.errors import NotFoundError

if TYPE_CHECKING:
    from regraft_cli.embedded.stack import StackRecord
    from regraft_pipeline.settings import PipelineSettings

Dataset = Annotated[
    str, typer.Argument(metavar="DATA", help="The dataset: a file, or its address (http://, https://, s3://)")
]
Data = Annotated[Path, typer.Option("--data", envvar="REGRAFT_DATA", help="Folder of the embedded stack")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="REGRAFT_TRIGGER_URL",
        help="Address of the trigger service; where none is given that of the data folder's stack, else port 8000 here",
    ),
]
PredictorUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="REGRAFT_PREDICTOR_URL",
        help="Address of the predictor; where none is given that of the data folder's stack, else port 8080 here",
    ),
]
StackUrl = Annotated[
    str | None, typer.Option("--url", help="Address of a stack's trigger service; the data folder where none is given")
]
Token = Annotated[
    str | None, typer.Option("--token", envvar=["REGRAFT_TRIGGER_TOKEN", "REGRAFT_READ_TOKEN"], help="Bearer token")
]
TaskName = Annotated[str | None, typer.Option("--task", help="Which task; the first one where none is named")]
OneTask = Annotated[str | None, typer.Option("--task", help="Of this task alone; of all where none is named")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table")]

DEFAULT_DATA = Path("regraft-data")
DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_PREDICTOR = "http://127.0.0.1:8080"


def settings_of(data: Path) -> PipelineSettings:
    """Return settings for the folder's bucket and, where its stack runs, its registry; the environment goes first."""
    from regraft_cli.embedded.stack import record_of
    from regraft_pipeline.settings import PipelineSettings

    values: dict[str, Any] = {}
    if "REGRAFT_STORE_URL" not in os.environ:
        values["store_url"] = (data.absolute() / "bucket").as_uri()
    record = record_of(data)
    if record is not None and "REGRAFT_MLFLOW_TRACKING_URI" not in os.environ:
        values["mlflow_tracking_uri"] = record.mlflow_url
    return PipelineSettings(**values)


def trigger_at(url: str | None, data: Path) -> str:
    """Return where the trigger service is: as somebody said, else of the stack that runs on the folder, else usual."""
    return _address(url, data, lambda stack: stack.trigger_url, DEFAULT_URL)


def predictor_at(url: str | None, data: Path) -> str:
    """Return where the predictor is: as somebody said, else of the stack that runs on the folder, else usual."""
    return _address(url, data, lambda stack: stack.predict_url, DEFAULT_PREDICTOR)


def _address(url: str | None, data: Path, of_stack: Callable[[StackRecord], str], usual: str) -> str:
    from regraft_cli.embedded.stack import record_of

    record = None if url is not None else record_of(data)
    return url or (of_stack(record) if record else usual)


def stack_of(url: str | None, task: str, data: Path) -> str | None:
    """Return the address of the stack that is to be asked of a task, None where all is here.

    Whose file is not here, as that of a cluster's task, is asked of the stack that the environment names, or of the
    one that runs on the data folder. Raises NotFoundError (``task_unknown``) where there is neither.
    """
    from regraft_cli.embedded.stack import record_of
    from regraft_core.settings import CoreSettings

    if url is not None or task in (known := task_names()):
        return url
    record = record_of(data)
    if stack := os.environ.get("REGRAFT_TRIGGER_URL") or (record.trigger_url if record else None):
        return stack
    raise NotFoundError(
        f"there is no task {task!r} here; there are: {', '.join(known)}. --url asks the stack that has it, "
        f"REGRAFT_TASKS_DIR names another folder of task files than {CoreSettings().tasks_dir}",
        code=Code.TASK_UNKNOWN,
    )


def url_option(url: str, usual: str = DEFAULT_URL) -> str:
    """Return the option that names a service in a command that is shown, nothing for the usual one."""
    return "" if url == usual else f" --url {shlex.quote(url)}"


def data_option(data: Path) -> str:
    """Return the option that names a data folder in a command that is shown, nothing for the usual one."""
    return "" if data == DEFAULT_DATA else f" --data {shlex.quote(str(data))}"


def task_names() -> list[str]:
    """Return the names of all tasks, broken ones too, the default one first, without importing any."""
    from regraft_core.definition import task_files
    from regraft_core.settings import CoreSettings

    names = {entry.name for entry in entry_points(group="regraft.tasks")}
    names |= {file.name for file in task_files(CoreSettings().tasks_dir)}
    return sorted(names, key=lambda name: (name != "passwords", name))
