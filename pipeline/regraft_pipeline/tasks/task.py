"""A task as the steps work with it, however it was defined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from regraft_core.contract import Column, Contract
from regraft_core.definition import GateSettings, RequestSettings, TaskDefinition
from regraft_core.profile import Scale
from regraft_inference.columns import dtype_of
from regraft_inference.estimators import Estimator, TailedEstimator

if TYPE_CHECKING:  # a step that has no table need not wait for pandas
    import pandas as pd


@dataclass(frozen=True)
class Task:
    """What is predicted from what.

    ``estimator`` makes a new, unfitted estimator. ``bootstrap`` makes the dataset that the first version is trained
    on and that is the first reference; the same seed must always give the same data. ``reference`` is the same as a
    file, where there is one: it is taken as it is. ``file`` is the definition of a task that is one; ``source`` says
    where the task is defined.
    """

    name: str
    contract: Contract
    kind: Literal["regression", "classification"]
    estimator: Callable[[], Estimator]
    bootstrap: Callable[[], pd.DataFrame]
    registered_model: str = "{owner}-{task}"
    description: str = ""
    gates: GateSettings = field(default_factory=GateSettings)
    metric: str | None = None
    requests: RequestSettings = field(default_factory=RequestSettings)
    reference: Path | None = None
    file: TaskDefinition | None = None
    source: str = "python"

    def model_name(self, owner: str) -> str:
        """Return the name of the registered model."""
        return self.registered_model.format(owner=owner, task=self.name)

    def estimator_on(self, scale: Scale | None) -> Estimator:
        """Return a new, unfitted estimator, which learns numbers on the scale that skill is measured on.

        So the reference decides once whether they have a heavy tail. Of a target on the edge, one dataset has and the
        next has not: models that decided for themselves would answer a mean today and a geometric mean tomorrow.
        """
        made = self.estimator()
        if scale is not None and isinstance(made, TailedEstimator):
            made.logarithms = scale == "log"
        return made

    def first_dataset(self) -> bytes:
        """Return the first dataset as the CSV that somebody would have posted."""
        if self.reference is not None:
            return self.reference.read_bytes()
        return self.bootstrap().to_csv(index=False, lineterminator="\n").encode()

    @cached_property
    def definition(self) -> str:
        """What tells two definitions of the task apart: a SHA-256. Of a Python task, over all but its code."""
        if self.file is not None:
            return self.file.hash
        content = {
            "contract": self.contract.model_dump(mode="json", exclude_defaults=True),
            "kind": self.kind,
            "gates": self.gates.model_dump(mode="json", exclude_defaults=True),
            "registered_model": self.registered_model,
            "metric": self.metric,
        }
        if requests := self.requests.model_dump(mode="json", exclude_defaults=True):
            content["requests"] = requests
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

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
