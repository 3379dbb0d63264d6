"""From the definition in a file to a task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from regraft_core.definition import FILE_NAME, TaskDefinition, TaskFileError
from regraft_inference.estimators import Estimator, estimator_class
from regraft_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


def task_of(definition: TaskDefinition, folder: Path | None) -> Task:
    """Return the task that a definition describes; its reference is beside it, in the folder.

    Without a folder it has no first dataset, and can do all else. Raises TaskFileError where the reference is not
    there, BundleError where its estimator is not installed.
    """
    reference = None if folder is None else folder / definition.reference
    if reference is not None and not reference.is_file():
        raise TaskFileError(f"the reference {definition.reference} is not there; 'regraft init' writes one")
    return Task(
        name=definition.name,
        contract=definition.contract(),
        kind=definition.problem_type,
        estimator=estimator_of(definition),
        bootstrap=lambda: _frame(reference),
        registered_model=definition.registered_model,
        description=definition.description,
        gates=definition.gates,
        metric=definition.metric,
        requests=definition.requests,
        reference=reference,
        file=definition,
        source="" if folder is None else str(folder / FILE_NAME),
    )


def estimator_of(definition: TaskDefinition) -> Callable[[], Estimator]:
    """Return what makes new, unfitted estimators. Raises BundleError (``estimator_unknown``).

    An estimator that is made for any table has ``for_task(contract, problem)``; others take nothing.
    """
    found = estimator_class(definition.estimator)
    if (for_task := getattr(found, "for_task", None)) is not None:
        contract, problem = definition.contract(), definition.problem_type
        return lambda: for_task(contract, problem)
    return found


def _frame(path: Path | None) -> pd.DataFrame:
    if path is None:
        raise TaskFileError("the first dataset is not here, only the definition")
    import pandas as pd  # noqa: PLC0415  (takes long, and most steps have no use for it)

    return pd.read_csv(path, dtype=str, keep_default_na=False)
