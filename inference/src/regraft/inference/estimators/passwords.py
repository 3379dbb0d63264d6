"""How often a password is used, from its characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import BundleError
from regraft.inference.estimators import Columns
from regraft.inference.estimators.counts import CountsModel
from regraft.inference.estimators.levels import LevelsModel

MODEL_FILE = "model.npz"
BATCH_ROWS = 50_000
MAX_LEVELS = 20
MODELS = {"levels": LevelsModel, "counts": CountsModel}


class PasswordEstimator:
    """Strings to numbers: naive Bayes where the target has a few repeated values, else a model of counts.

    The one feature column is taken by position, so its name does not matter. Predictions are float64.
    """

    format: ClassVar[str] = "passwords"

    def __init__(self) -> None:
        self.model: LevelsModel | CountsModel | None = None

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Learn from one column of strings."""
        words = _words(columns)

        def batches() -> Iterable[tuple[Columns, NDArray[Any]]]:
            for first in range(0, len(words), BATCH_ROWS):
                last = first + BATCH_ROWS
                yield {"words": words[first:last]}, target[first:last]

        return self.fit_batches(batches)

    def fit_batches(self, batches: Callable[[], Iterable[tuple[Columns, NDArray[Any]]]]) -> Self:
        """Learn from a dataset in batches; every call of ``batches`` must give the same ones from the start."""

        def pairs() -> Iterable[tuple[Sequence[str], NDArray[np.float64]]]:
            return ((_words(columns), np.asarray(target, dtype=np.float64)) for columns, target in batches())

        rows, levels = _look(target for _, target in pairs())
        self.model = CountsModel().fit(pairs, rows) if levels is None else LevelsModel(levels).fit(pairs)
        return self

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return a finite number for each string."""
        if self.model is None:
            raise RuntimeError("the estimator has not been fitted")
        words = _words(columns)
        if len(words) <= BATCH_ROWS:
            return self.model.predict(words) if len(words) else np.zeros(0)
        parts = [self.model.predict(words[first : first + BATCH_ROWS]) for first in range(0, len(words), BATCH_ROWS)]
        return np.concatenate(parts)

    def save(self, folder: Path) -> None:
        """Write the model as plain arrays."""
        if self.model is None:
            raise RuntimeError("the estimator has not been fitted")
        np.savez(folder / MODEL_FILE, kind=self.kind, **self.model.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model back. Raises BundleError (``estimator_damaged``)."""
        path = folder / MODEL_FILE
        try:
            with np.load(path, allow_pickle=False) as arrays:
                estimator = cls()
                estimator.model = MODELS[str(arrays["kind"])].from_arrays(arrays)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise BundleError(f"{path} cannot be read: {error}", code="estimator_damaged") from error
        return estimator

    @property
    def kind(self) -> str:
        """Name of the model that was chosen."""
        return next(kind for kind, model in MODELS.items() if isinstance(self.model, model))

    def parameters(self) -> dict[str, Any]:
        """Return the kind of model."""
        return {"model": self.kind}


def _words(columns: Columns) -> Sequence[str]:
    (words,) = columns.values()
    return words


def _look(targets: Iterable[NDArray[np.float64]]) -> tuple[int, NDArray[np.float64] | None]:
    """Return the number of rows, and the levels of the target where they are few and each is repeated."""
    rows = 0
    seen: Counter[float] = Counter()
    for target in targets:
        rows += len(target)
        if len(seen) <= MAX_LEVELS:
            values, counts = np.unique(target, return_counts=True)
            seen.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    few = len(seen) <= MAX_LEVELS and min(seen.values()) >= max(3, 0.002 * rows)
    return rows, np.array(sorted(seen)) if few else None
