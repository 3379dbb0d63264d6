"""Regraft in Python: gates, training and models on a DataFrame, with no stack.

``judge`` holds a frame against a task, ``train`` makes a model of a frame that passes, ``load`` reads one again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from regraft_core.codes import Code
from regraft_core.definition import read_file
from regraft_core.errors import BadRequestError
from regraft_core.profile import Profile
from regraft_core.verdict import Verdict
from regraft_inference.bundle import Bundle
from regraft_inference.pyfunc import PyfuncModel
from regraft_pipeline import gates
from regraft_pipeline.data.types import NumberFormat
from regraft_pipeline.steps.train import fitted, write
from regraft_pipeline.tasks import Task, load_task
from regraft_pipeline.tasks.files import task_of

type Table = pd.DataFrame | str | os.PathLike[str]
"""A frame, or the path of a file that somebody would have posted."""

type AnyTask = Task | str | os.PathLike[str]
"""A task, its name, or the path of its ``task.yaml``."""


class Model(PyfuncModel):
    """A trained model. ``predict(frame)`` gives a frame with the target column and the frame's own index.

    ``probabilities=True`` and ``explain=True`` ask for what a request asks for by these names, where the model has it.
    """

    @property
    def metrics(self) -> dict[str, float]:
        """What was measured on rows that it has not seen."""
        return self.bundle.info.metrics


class RejectedError(BadRequestError):
    """The gates refuse the data; ``verdict`` says why."""

    code = Code.DATA_REJECTED
    title = "The gates refuse the data"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.summary())
        self.verdict = verdict


def judge(frame: Table, task: AnyTask, *, reference: Table | Profile | None = None) -> Verdict:
    """Return what the gates say of a frame, held against a reference where one is given.

    ``verdict.accepted``, ``verdict.reasons`` and ``verdict.metrics`` are what a run would say. Raises BadRequestError
    (``data_missing``) for what is neither a frame nor a file.
    """
    of = _task(task)
    with _file(frame, of) as path:
        return gates.judge(path, of, reference=_profile(reference, of), incumbent=None).verdict


def train(
    frame: Table,
    task: AnyTask,
    folder: str | os.PathLike[str],
    *,
    reference: Table | Profile | None = None,
) -> Model:
    """Train on a frame that passes the gates, write the bundle into a new folder and return the model.

    Raises RejectedError (``data_rejected``), BundleError (``bundle_exists``), BadRequestError (``data_missing``).
    """
    of, home = _task(task), Path(folder)
    with _file(frame, of) as path:
        found = gates.judge(path, of, reference=_profile(reference, of), incumbent=None)
        if not found.verdict.accepted or found.data is None:
            raise RejectedError(found.verdict)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        write(home, of, found.data, fitted(of, found.data, found.profile), found.verdict, data_sha256=sha256)
    return load(home)


def load(folder: str | os.PathLike[str]) -> Model:
    """Return the model of a bundle's folder: of ``train``, or ``model`` of ``regraft pull``. Raises BundleError."""
    return Model(Bundle.load(Path(folder)))


def _task(task: AnyTask) -> Task:
    if isinstance(task, Task):
        return task
    path = Path(task)
    if isinstance(task, str) and path.suffix not in (".yaml", ".yml"):
        return load_task(task)
    return task_of(read_file(path), path.parent)


def _profile(reference: Table | Profile | None, task: Task) -> Profile | None:
    """Return what a frame is held against. Raises RejectedError where the reference itself does not pass."""
    if reference is None or isinstance(reference, Profile):
        return reference
    with _file(reference, task) as path:
        found = gates.judge(path, task, reference=None, incumbent=None)
    if found.reference is None:
        raise RejectedError(found.verdict)
    return found.reference


@contextmanager
def _file(table: object, task: Task) -> Iterator[Path]:
    """Return a table as the file that somebody would have posted, for the gates read files. Raises BadRequestError."""
    if isinstance(table, str | os.PathLike):
        if not Path(table).is_file():
            raise BadRequestError(f"{os.fspath(table)!r}: there is no such file", code=Code.DATA_MISSING)
        yield Path(table)
        return
    if not isinstance(table, pd.DataFrame):
        message = f"a DataFrame is needed, or the path of a file, not {type(table).__name__}"
        raise BadRequestError(message, code=Code.DATA_MISSING)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        _as_written(table, task).to_csv(path, index=False, lineterminator="\n")
        yield path


def _as_written(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return a frame whose numbers have the decimal sign of the task's files, where 1.234 may be another number."""
    signs = {
        column.name: sign
        for column in task.contract.columns
        if column.is_number and (sign := NumberFormat.of(column.format).decimal) != "."
    }
    columns = {
        name: frame[name].map(lambda value, sign=sign: repr(float(value)).replace(".", sign), na_action="ignore")
        for name, sign in signs.items()
        if name in frame.columns and pd.api.types.is_float_dtype(frame[name])
    }
    return frame.assign(**columns)
