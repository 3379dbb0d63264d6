"""How a task is, as far as its definition tells."""

from __future__ import annotations

from pathlib import Path

from regraft_core.codes import Code
from regraft_core.definition.files import FILE_NAME, task_file
from regraft_core.definition.task import TaskDefinition
from regraft_core.states import Cause
from regraft_core.taskstate import TaskState


def as_defined(state: TaskState, definition: TaskDefinition) -> TaskState:
    """Return a state with what a definition says of it."""
    return state.model_copy(
        update={
            "definition": definition.hash,
            "kind": definition.problem_type,
            "description": definition.description,
            "contract": definition.contract(),
            "newest": definition.newest,
            "keeps": definition.requests.keep > 0,
        }
    )


def as_the_file_says(state: TaskState) -> TaskState:
    """Return the state of a task with what its file says now: it may have changed since somebody looked."""
    path = Path(state.source)
    if path.name != FILE_NAME:
        return state
    if not path.is_file():
        why = f"{path} is gone: what serves goes on, but no dataset can be judged until it is back"
        return state.model_copy(update={"broken": Cause(code=Code.TASK_UNKNOWN, message=why)})
    found = task_file(path)
    if found.definition is None:
        why = found.error.message if found.error else "it defines nothing"
        return state.model_copy(update={"broken": Cause(code=Code.TASK_INVALID, message=why)})
    if found.name != state.name or found.definition.hash == state.definition:
        return state  # a file of another task's name is wrong for that alone
    mended = state.broken is not None and state.broken.code == Code.TASK_INVALID
    return as_defined(state, found.definition).model_copy(update={"broken": None if mended else state.broken})
