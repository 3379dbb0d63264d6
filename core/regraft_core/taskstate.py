"""How a task is: whoever loads and bootstraps it writes it down, and everybody may read it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.runs import Cause, Run, RunState, now
from regraft_core.stores.objects import ObjectStore, find_model, put_model

CANNOT_BE_WORKED_WITH = (Code.TASK_BROKEN, Code.TASK_INVALID, Code.TASK_UNKNOWN, Code.REFERENCE_UNREADABLE)
"""Codes of runs that ended because of their task."""


class TaskState(BaseModel):
    """Whether a task can be worked with, and why not."""

    name: str
    broken: Cause | None = Field(None, description="Why it cannot be loaded, trained or bootstrapped; none: it can")
    source: str = Field("", description="Where the task is defined: a file, or the package that offers it")
    definition: str = Field("", description="What tells two definitions of the task apart: a SHA-256")
    kind: str = Field("", description="regression or classification, where that is known")
    description: str = ""
    contract: Contract | None = Field(None, description="What the next version is asked with, where that is known")
    newest: str | None = Field(None, description="Address that is run where what serves is unfit; none: nothing is")
    keeps: bool = Field(
        True, description="Whether any of the rows that are asked may be kept, whatever the version that serves knows"
    )
    checked_at: datetime = Field(default_factory=now)


class TaskShown(BaseModel):
    """A task as the trigger service shows it."""

    name: str
    state: Literal["serving", "starting", "broken", "unknown"] = Field(
        description="`unknown`: what serves cannot be read; `reason` says why"
    )
    reason: Cause | None = Field(None, description="Why the task is broken, or its state unknown")
    version: str | None = Field(None, description="The version that serves, whatever the state")
    source: str = Field("", description="Where the task is defined: a file, or the package that offers it")
    definition: str = Field("", description="What tells two definitions of the task apart: a SHA-256")
    kind: str = ""
    description: str = ""
    changes: list[Cause] = Field(
        default_factory=list, description="What clients of the version in service will notice when the next one serves"
    )


def read_state(store: ObjectStore, task: str) -> TaskState | None:
    """Return how a task is, None where nobody has looked yet."""
    return find_model(store, layout.task_state(task), TaskState)


def write_state(store: ObjectStore, state: TaskState) -> None:
    """Write down how a task is."""
    put_model(store, layout.task_state(state.name), state)


def learn_from(store: ObjectStore, run: Run) -> None:
    """Write down what the end of a run says of its task."""
    state = read_state(store, run.task) or TaskState(name=run.task)
    broken = state.broken
    if run.cause and run.cause.code in CANNOT_BE_WORKED_WITH:
        broken = run.cause
    elif run.state is RunState.PROMOTED or (broken and broken.code == Code.REFERENCE_UNREADABLE and run.verdict):
        broken = None
    elif run.kind == "bootstrap" and run.state in (RunState.FAILED, RunState.REJECTED, RunState.ROLLED_BACK):
        why = run.cause.message if run.cause else run.state.value
        broken = Cause(code=Code.BOOTSTRAP_FAILED, message=f"the first version could not be made: {why}")
    if broken != state.broken:
        write_state(store, state.model_copy(update={"broken": broken, "checked_at": now()}))
