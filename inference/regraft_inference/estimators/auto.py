"""The estimator of tasks that name none: histogram gradient boosting on whatever columns there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.errors import BundleError
from regraft_inference.estimators import Columns
from regraft_inference.estimators.encoding import Encoding
from regraft_inference.estimators.sklearn import load_model, save_model

ENCODING_FILE = "encoding.json"
TARGET_FILE = "target.json"

SEED = 1
MOST_ITERATIONS = 200
FEW_ROWS = 1_000
"""Below so many rows trees are small and few, else they learn them by heart."""


class AutoEstimator:
    """Gradient boosting on histograms: takes gaps, unseen values, dates, texts, labels; nothing has to be set.

    Made for a contract and, once fitted, knows its classes. The answers have the target's type.
    """

    format: ClassVar[str] = "auto"

    def __init__(self, contract: Contract, problem: str) -> None:
        self.contract = contract
        self.problem = problem
        self._encoding: Encoding | None = None
        self._model: Any = None

    @classmethod
    def for_task(cls, contract: Contract, problem: str) -> Self:
        """Return an unfitted estimator for a task."""
        return cls(contract, problem)

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Learn from feature columns and the target of shape (rows,)."""
        self._encoding = Encoding.learn(self.contract, columns)
        small = len(target) < FEW_ROWS
        settings: dict[str, Any] = {
            "learning_rate": 0.1,
            "max_iter": 60 if small else MOST_ITERATIONS,
            "max_leaf_nodes": 8 if small else 31,
            "min_samples_leaf": max(5, min(20, len(target) // 30)),
            "l2_regularization": 1.0,
            "early_stopping": False,
            "random_state": SEED,
        }
        if self.problem == "classification":
            self._model = HistGradientBoostingClassifier(**settings)
            self._model.fit(self._encoding.matrix(columns), target.astype(str) if self.contract.has_labels else target)
        else:
            self._model = HistGradientBoostingRegressor(**settings)
            self._model.fit(self._encoding.matrix(columns), target.astype(np.float64))
        return self

    def predict(self, columns: Columns) -> NDArray[Any]:
        """Return labels as str, booleans as bool, integers as int64, other values as float64; shape (rows,)."""
        answers: NDArray[Any] = self._model.predict(self._matrix(columns))
        if self.contract.has_labels:
            return answers.astype(object)
        if self.contract.target.type == "boolean":
            return answers.astype(np.bool_)
        return np.rint(answers).astype(np.int64) if self.contract.target.type == "integer" else answers

    @property
    def classes(self) -> list[Any]:
        """The classes that it has seen, ascending."""
        found: list[Any] = self._model.classes_.tolist()
        return found

    def probabilities(self, columns: Columns) -> NDArray[np.float64]:
        """Return the probability of each of the classes, shape (rows, classes)."""
        found: NDArray[np.float64] = self._model.predict_proba(self._matrix(columns))
        return found

    def save(self, folder: Path) -> None:
        """Write encoding and model."""
        if self._encoding is None:
            raise BundleError("the estimator has not been fitted", code=Code.ESTIMATOR_DAMAGED)
        (folder / ENCODING_FILE).write_text(self._encoding.model_dump_json())
        (folder / TARGET_FILE).write_text(
            json.dumps({"contract": self.contract.model_dump(mode="json"), "problem": self.problem})
        )
        save_model(self._model, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what ``save`` wrote. Raises BundleError (``estimator_damaged``, ``estimator_untrusted``)."""
        try:
            kept = json.loads((folder / TARGET_FILE).read_bytes())
            found = cls(Contract.model_validate(kept["contract"]), kept["problem"])
            found._encoding = Encoding.model_validate_json((folder / ENCODING_FILE).read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{folder} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error
        found._model = load_model(folder)
        return found

    def parameters(self) -> dict[str, Any]:
        """Return the settings, for the registry."""
        if self._model is None:
            return {"model": "histogram gradient boosting"}
        plain = {
            name: value for name, value in self._model.get_params().items() if isinstance(value, int | float | str)
        }
        return {"model": type(self._model).__name__, **plain}

    def _matrix(self, columns: Columns) -> NDArray[np.float64]:
        if self._encoding is None:
            raise BundleError("the estimator has not been fitted", code=Code.ESTIMATOR_DAMAGED)
        return self._encoding.matrix(columns)
