"""Estimators that are trained once on the very same rows: halves of a table that change places need no second training.

The same rows give the same model, so nothing of a measurement changes but its time.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators import Columns, Estimator, TailedEstimator
from regraft_inference.estimators.targets import has_heavy_tail
from regraft_pipeline.tasks import Task

type Models = dict[str, dict[str, bytes]]
"""The files of models, by the rows that they were trained on."""


@contextmanager
def models(path: Path) -> Iterator[Models]:
    """Give the models that a file keeps, and keep those that have come besides."""
    known: Models = pickle.loads(gzip.decompress(path.read_bytes())) if path.is_file() else {}
    before = len(known)
    try:
        yield known
    finally:
        if len(known) > before:
            path.write_bytes(gzip.compress(pickle.dumps(known), 1))


def remembering(task: Task, known: Models) -> Task:
    """Return the task with estimators that look among the models before they learn, and leave there what they have."""
    return replace(task, estimator=lambda: _Remembering(task.estimator, known))  # type: ignore[arg-type,return-value]


class _Remembering:
    """An unfitted estimator; ``fit`` returns the real one."""

    def __init__(self, make: Callable[[], Estimator], known: Models) -> None:
        self._make, self._known = make, known
        self.logarithms: bool | None = None

    def fit(self, columns: Columns, target: NDArray[Any]) -> Estimator:
        estimator = self._make()
        if isinstance(estimator, TailedEstimator):
            estimator.logarithms = self.logarithms
        key = _key(columns, target, self.logarithms)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if (files := self._known.get(key)) is not None:
                for path, content in files.items():
                    (folder / path).write_bytes(content)
                return type(estimator).load(folder)
            estimator = estimator.fit(columns, target)
            estimator.save(folder)
            self._known[key] = {path.name: path.read_bytes() for path in folder.iterdir()}
            return estimator


def _key(columns: Mapping[str, Any], target: NDArray[Any], logarithms: bool | None) -> str:
    """``logarithms`` tells models apart only where they are not what the target itself asks for."""
    usual = logarithms is None or target.dtype.kind not in "if" or logarithms == has_heavy_tail(target)
    rows = {name: np.asarray(values).tolist() for name, values in columns.items()}
    return hashlib.sha256(
        pickle.dumps((rows, target.tolist()) if usual else (rows, target.tolist(), logarithms))
    ).hexdigest()
