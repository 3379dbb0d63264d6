"""Tasks: what is predicted from what. A task is one object; this is all that a user writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from regraft_core.contract import Column, Contract
from regraft_core.definition import GateSettings
from regraft_core.errors import NotFoundError
from regraft_inference.columns import dtype_of
from regraft_inference.estimators import Estimator

if TYPE_CHECKING:  # a step that has no table need not wait for pandas
    import pandas as pd

GROUP = "regraft.tasks"
"""Entry point group under which installed packages offer tasks."""


@dataclass(frozen=True)
class Task:
    """What is predicted from what.

    ``estimator`` makes a new, unfitted estimator. ``bootstrap`` makes the dataset that the first version is trained
    on and that is the first reference; the same seed must always give the same data.
    """

    name: str
    contract: Contract
    kind: Literal["regression", "classification"]
    estimator: Callable[[], Estimator]
    bootstrap: Callable[[], pd.DataFrame]
    registered_model: str = "{owner}-{task}"
    description: str = ""
    gates: GateSettings = field(default_factory=GateSettings)

    def model_name(self, owner: str) -> str:
        """Return the name of the registered model."""
        return self.registered_model.format(owner=owner, task=self.name)

    def columns_of(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return the feature columns of a typed frame as estimators take them."""
        return {column.name: _column_of(frame[column.name], column) for column in self.contract.features}

    def target_of(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the target column of a typed frame: float64, int64, bool, or an array of str for labels."""
        target = self.contract.target
        return frame[target.name].to_numpy(dtype=dtype_of(target) or object)


def _column_of(values: pd.Series[Any], column: Column) -> Any:
    if (dtype := dtype_of(column)) is not None:
        return values.to_numpy(dtype=dtype)
    words = values.astype(object)
    return words.where(values.notna(), None).tolist() if column.nullable else words.tolist()


def load_tasks() -> dict[str, Task]:
    """Return all installed tasks by name, those that ship with Regraft first."""
    found = [entry.load() for entry in entry_points(group=GROUP)]
    shipped = ["passwords", "heart-disease"]
    found.sort(key=lambda task: (shipped.index(task.name) if task.name in shipped else len(shipped), task.name))
    return {task.name: task for task in found}


def load_task(name: str) -> Task:
    """Return the task of this name. Raises NotFoundError (``task_unknown``).

    No other task is imported: a step need not wait for libraries that another task's estimator wants.
    """
    for entry in entry_points(group=GROUP, name=name):
        found: Task = entry.load()
        return found
    known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)}))
    raise NotFoundError(f"there is no task {name!r}; there are: {known}", code="task_unknown")


__all__ = ["GROUP", "GateSettings", "Task", "load_task", "load_tasks"]
