"""From the definition in a file to a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from regraft_core.definition import FILE_NAME, TaskDefinition, TaskFileError, missing_reference, read_file
from regraft_inference.estimators import GROUP, Estimator, estimator_class
from regraft_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


def task_of(definition: TaskDefinition, folder: Path | None) -> Task:
    """Return the task that a definition describes; its reference is beside it, in the folder.

    Without a folder it has no first dataset, and can do all else. Raises TaskFileError where the reference is not
    there, BundleError where its estimator is not installed.
    """
    reference = None if folder is None else folder / definition.reference
    if folder is not None and (missing := missing_reference(folder / FILE_NAME, definition)) is not None:
        raise missing
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


def shipped(name: str, bootstrap: Callable[[], pd.DataFrame]) -> Task:
    """Return a task that ships with Regraft; what made its reference makes it anew, with types."""
    folder = Path(__file__).parent / "shipped" / name
    return replace(task_of(read_file(folder / FILE_NAME), folder), bootstrap=bootstrap)


def estimator_of(definition: TaskDefinition) -> Callable[[], Estimator]:
    """Return what makes new, unfitted estimators. Raises BundleError (``estimator_unknown``).

    An estimator that is made for any table has ``for_task(contract, problem)``; others take nothing.
    """

    def make() -> Estimator:
        found = estimator_class(definition.estimator)
        if (for_task := getattr(found, "for_task", None)) is not None:
            made: Estimator = for_task(definition.contract(), definition.problem_type)
            return made
        return found()

    if not _is_ours(definition.estimator):
        estimator_class(definition.estimator)  # of others it is seen now whether they can be had
    return make


def _is_ours(estimator: str) -> bool:
    """Whether an estimator comes with Regraft: to import it takes long, and most steps have no use for it."""
    return any(entry.value.startswith("regraft_inference.") for entry in entry_points(group=GROUP, name=estimator))


def _frame(path: Path | None) -> pd.DataFrame:
    if path is None:
        raise TaskFileError("the first dataset is not here, only the definition")
    import pandas as pd  # noqa: PLC0415  (takes long, and most steps have no use for it)

    return pd.read_csv(path, dtype=str, keep_default_na=False)
