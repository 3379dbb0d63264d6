"""Tasks: what is predicted from what. A task is one object; this is all that a user writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from regraft_core.contract import Contract
from regraft_core.errors import NotFoundError
from regraft_inference.estimators import Estimator

if TYPE_CHECKING:  # a step that has no table need not wait for pandas
    import pandas as pd

GROUP = "regraft.tasks"
"""Entry point group under which installed packages offer tasks."""


class GateSettings(BaseModel):
    """Thresholds of the gates. The defaults come from a power study; a task changes what its data needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_rows: int = Field(100, description="Fewest rows left after duplicates are removed")
    max_null_share: float = Field(0.01, description="Rows with an empty value: dropped up to this share, then refused")
    max_duplicate_share: float = Field(0.20, description="Rows whose features stood in an earlier row already")
    max_conflict_share: float = Field(0.01, description="Rows whose features have several different targets")
    one_target_per_input: bool = Field(True, description="Whether the same features may have one target only")
    drift_psi: float = Field(0.05, description="Population stability index of the target above which a set is refused")
    drift_psi_warning: float = Field(0.02, description="The same for a warning, for the target and for the inputs")
    drift_p: float = Field(0.002, description="Drift counts only where chance explains it with less than this")
    swap_psi: float = Field(0.25, description="The same for each of two inputs that may be swapped")
    min_relative_skill: float = Field(0.5, description="Least skill, as a share of the reference's own")
    learning_rows: int = Field(50, description="Of n rows, no greater share than 1 - this / n is asked")
    min_skill: float = Field(0.1, description="Least skill, whatever the reference's")
    quality_floor: float | None = Field(None, description="Least value of the task's main metric; none: no floor")
    quality_margin: float = Field(0.05, description="How much worse than the version in service, in skill, is allowed")
    quality_errors: float = Field(2.5, description="Standard errors of that difference by which more is allowed")
    relation_changed_skill: float = Field(
        -0.25, description="Skill of the version in service under which it is not lost but systematically wrong"
    )
    folds: int = Field(3, description="Parts of the rows, each predicted by a model that is trained on the others")
    evaluation_rows: int = Field(20_000, description="Most rows that the learnability and quality gates look at")
    seed: int = Field(20_240_229, description="Seed of every random choice of the gates")


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
        return {
            column.name: (
                frame[column.name].astype(object).tolist() if column.type == "string" else frame[column.name].to_numpy()
            )
            for column in self.contract.features
        }

    def target_of(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the target column of a typed frame: float64 for numbers, int64 for integers."""
        kind = np.int64 if self.contract.target.type == "integer" else np.float64
        return frame[self.contract.target.name].to_numpy(dtype=kind)


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
