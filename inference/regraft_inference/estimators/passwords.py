"""How often a password is used, from its characters."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.errors import BundleError
from regraft_inference.estimators import Columns, TrainingBatches
from regraft_inference.estimators.counts import CountsModel
from regraft_inference.estimators.features import Batches
from regraft_inference.estimators.levels import LevelsModel

MODEL_FILE = "model.npz"
BATCH_ROWS = 50_000

MAX_LEVELS = 20
LEAST_LEVEL_ROWS = 3
LEAST_LEVEL_SHARE = 0.002

SMALL_ROWS = 20_000
"""Rows up to which both kinds of model are tried where the target has many values."""

BINS = 10

Model = LevelsModel | CountsModel
MODELS: dict[str, type[Model]] = {"levels": LevelsModel, "counts": CountsModel}


class PasswordEstimator:
    """One column of strings to a number that is not negative.

    The data choose the model. A target with a few values, each of them repeated, is classified (``LevelsModel``);
    many rows of anything else are counts with a heavy tail (``CountsModel``); of a few rows, both are tried, the first
    with deciles as levels, and the one with the smaller RMSLE on held-out rows is taken.

    Predictions are float64. Any ``str`` will do; of long ones the first 256 characters count. The same data and seed
    give the same model.
    """

    format: ClassVar[str] = "passwords"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._model: Model | None = None

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Learn from one column of strings, at least five, in any order of the rows."""
        words = _words(columns)
        order = np.random.default_rng(self.seed).permutation(len(words))

        def batches() -> Iterator[tuple[Columns, NDArray[Any]]]:
            for rows in _slices(len(words)):
                yield {"words": [words[row] for row in order[rows]]}, target[order[rows]]

        return self.fit_batches(batches)

    def fit_batches(self, batches: TrainingBatches) -> Self:
        """Learn from a dataset that need not fit into memory; its rows must be in random order.

        Every call of ``batches`` must give the same batches from the start. They are read up to 22 times, thrice where
        there are millions of rows.
        """
        self._model = _fit_model(_pairs(batches))
        return self

    def explain(self, batches: TrainingBatches) -> dict[str, Any]:
        """Return, as plain JSON, what was learned from these batches.

        ``top_ngrams``: by level, the n-grams that speak most for it, with their weights; or ``learning_curve``: RMSLE
        on held-out rows by the number of rows learned from, of a model that was fitted here and not loaded.
        """
        return self.model.explain(_pairs(batches))

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return a finite number for each string, shape (rows,)."""
        words = _words(columns)
        if not len(words):
            return np.zeros(0)
        if len(words) <= BATCH_ROWS:
            return self.model.predict(words)
        return np.concatenate([self.model.predict(words[rows]) for rows in _slices(len(words))])

    def save(self, folder: Path) -> None:
        """Write the model as plain arrays."""
        np.savez(folder / MODEL_FILE, allow_pickle=False, kind=np.array(self.kind), **self.model.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model back. Raises BundleError (``estimator_damaged``)."""
        path = folder / MODEL_FILE
        estimator = cls()
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                estimator._model = MODELS[str(arrays["kind"])].from_arrays(arrays)
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(f"{path} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error
        return estimator

    @property
    def model(self) -> Model:
        """The fitted model."""
        if self._model is None:
            raise RuntimeError("the estimator has not been fitted")
        return self._model

    @property
    def kind(self) -> str:
        """Name of the model that the data chose."""
        return next(kind for kind, model in MODELS.items() if isinstance(self.model, model))

    def parameters(self) -> dict[str, Any]:
        """Return the seed and which model the data chose, with what was fitted to it besides its table."""
        return {"seed": self.seed, "model": self.kind, **self.model.parameters()}


def _pairs(batches: TrainingBatches) -> Batches:
    def pairs() -> Iterator[tuple[Sequence[str], NDArray[np.float64]]]:
        for columns, target in batches():
            yield _words(columns), np.asarray(target, dtype=np.float64)

    return pairs


def _words(columns: Columns) -> Sequence[str]:
    (words,) = columns.values()
    return cast("Sequence[str]", words)


def _slices(rows: int) -> list[slice]:
    return [slice(first, first + BATCH_ROWS) for first in range(0, rows, BATCH_ROWS)]


def _fit_model(batches: Batches) -> Model:
    rows, levels = _look_at(target for _, target in batches())
    if levels is not None:
        return LevelsModel(levels).fit(batches)
    if rows > SMALL_ROWS:
        return CountsModel().fit(batches)
    words = [word for batch, _ in batches() for word in batch]
    return _fit_better_model(words, np.concatenate([target for _, target in batches()]))


def _look_at(targets: Iterable[NDArray[np.float64]]) -> tuple[int, NDArray[np.float64] | None]:
    """Return the number of rows, and the levels of the target where they are few and each is repeated."""
    rows = 0
    seen: Counter[float] = Counter()
    for target in targets:
        rows += len(target)
        if len(seen) <= MAX_LEVELS:
            values, counts = np.unique(target, return_counts=True)
            seen.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    least = max(LEAST_LEVEL_ROWS, LEAST_LEVEL_SHARE * rows)
    few = len(seen) <= MAX_LEVELS and min(seen.values(), default=0) >= least
    return rows, np.array(sorted(seen)) if few else None


def _fit_better_model(words: list[str], target: NDArray[np.float64]) -> Model:
    """Fit both kinds of model to four fifths of the rows, and then to all the one that predicts the others better."""
    levels = np.unique(np.quantile(target, np.linspace(0.05, 0.95, BINS)))
    cut = len(words) * 4 // 5
    models: list[Callable[[], Model]] = [lambda: LevelsModel(levels), CountsModel]

    def held_out_error(make: Callable[[], Model]) -> float:
        model = make().fit(lambda: [(words[:cut], target[:cut])])
        return float(np.mean((np.log1p(model.predict(words[cut:])) - np.log1p(target[cut:])) ** 2))

    return min(models, key=held_out_error)().fit(lambda: [(words, target)])
