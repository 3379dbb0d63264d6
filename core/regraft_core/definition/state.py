"""How a task is, as far as its definition tells."""

from __future__ import annotations

from pathlib import Path

from regraft_core.codes import Code
from regraft_core.definition.files import FILE_NAME, task_file
from regraft_core.definition.task import TaskDefinition
from regraft_core.errors import BadRequestError
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
    wrong, found = _trouble(state)
    if wrong is not None:
        return state.model_copy(update={"broken": Cause(code=wrong.code, message=wrong.message)})
    if found is None or found.hash == state.definition:
        return state
    mended = state.broken is not None and state.broken.code == Code.TASK_INVALID
    return as_defined(state, found).model_copy(update={"broken": None if mended else state.broken})


def check_file(state: TaskState) -> None:
    """Return where the file of a task, as it is now, does not let it down: a run finds out all else, and may heal it.

    Raises BadRequestError (``task_invalid``, ``task_unknown``) with line and cure.
    """
    wrong, _ = _trouble(state)
    if wrong is not None:
        raise wrong


def _trouble(state: TaskState) -> tuple[BadRequestError | None, TaskDefinition | None]:
    """Return what is wrong with the file of a task now, and what it defines; neither where the task is no file."""
    path = Path(state.source)
    if path.name != FILE_NAME:
        return None, None
    if not path.is_file():
        why = f"{path} is gone: what serves goes on, but no dataset can be judged until it is back"
        return BadRequestError(why, code=Code.TASK_UNKNOWN), None
    found = task_file(path)
    if found.error is None and found.name != state.name:
        why = f"{path} defines {found.name!r} now; give it the name {state.name!r}, or ask {found.name!r}"
        known = state.broken
        return BadRequestError(known.message if known else why, code=Code.TASK_INVALID), None
    return found.error, found.definition
