"""Looks whether a task can be loaded, and writes down what it found for all who show tasks."""

from __future__ import annotations

from importlib.metadata import entry_points

from regraft_core.definition import task_files
from regraft_core.definition.state import as_defined
from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger
from regraft_core.reference import read_reference
from regraft_core.runs import Cause
from regraft_core.settings import CoreSettings
from regraft_core.stores.objects import open_store
from regraft_core.taskstate import TaskState, write_state
from regraft_pipeline.assembly import sound_task
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.tasks import GROUP, Task

log = get_logger(__name__)


def check(name: str, settings: PipelineSettings) -> Task | None:
    """Return a task that can be loaded; of one that cannot be worked with, why is logged and written down."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    state, task = _as_found(name), None
    try:
        task = sound_task(name)
        state.kind, state.description, state.definition = task.kind, task.description, task.definition
        state.contract = task.contract
        state.keeps = task.requests.keep > 0
        state.newest = None if task.file is None else task.file.newest
        read_reference(store, name)
    except RegraftError as error:
        log.error("task is broken", task=name, reason=error.message, exc_info=error.__cause__)  # noqa: TRY400
        state.broken = Cause(code=error.code, message=error.message)
    write_state(store, state)
    return task


def _as_found(name: str) -> TaskState:
    """Return where a task is defined, its file, or the object and the package of its entry point, and what that says.

    What a file says is written down of a broken task, too: it is mended where the file says something else.
    """
    for file in task_files(CoreSettings().tasks_dir):
        if file.name == name:
            state = TaskState(name=name, source=str(file.path))
            return state if file.definition is None else as_defined(state, file.definition)
    for entry in entry_points(group=GROUP, name=name):
        package = f" ({entry.dist.name} {entry.dist.version})" if entry.dist else ""
        return TaskState(name=name, source=f"{entry.value}{package}")
    return TaskState(name=name)
