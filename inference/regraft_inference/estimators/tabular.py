"""Estimators for any table: ``additive``, ``boosted``, and ``auto``, which takes the better of the two.

What they say is linear on a scale: the target's own for numbers, log odds for classes. So the answer of each row can be
taken apart into what each column added (``reasons``), exactly for the additive model, by TreeSHAP for the boosted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.errors import BundleError
from regraft_inference.estimators import Columns, Reasons, TrainingBatches, bounded, rows_of
from regraft_inference.estimators.additive import FEW_ROWS, AdditiveModel
from regraft_inference.estimators.encoding import Encoding
from regraft_inference.estimators.explainer import Explainer
from regraft_inference.estimators.fitted import Fitted, Link
from regraft_inference.estimators.targets import has_heavy_tail, integers_of
from regraft_inference.estimators.trees import TreesModel

type Floats = NDArray[np.float64]

FILE = "estimator.json"
MOST_BYTES = 5 << 20
EXPLAINED_ROWS = 1000
"""Rows of which it is told how much each column adds."""
LARGEST_LOG = 709.0
"""Of larger logarithms numbers do not fit into 64 bits."""

KINDS: dict[str, type[AdditiveModel] | type[TreesModel]] = {"additive": AdditiveModel, "boosted": TreesModel}


class Learned(NamedTuple):
    """What an estimator has once it is fitted."""

    fitted: Fitted
    model: AdditiveModel | TreesModel
    explainer: Explainer

    @classmethod
    def of(cls, fitted: Fitted, model: AdditiveModel | TreesModel) -> Self:
        """Put together what was learned."""
        return cls(fitted, model, Explainer(fitted, model))


class TabularEstimator:
    """Made for a contract; once fitted, answers in the target's type. The same rows give the same model."""

    format: ClassVar[str]
    kinds: ClassVar[tuple[Literal["additive", "boosted"], ...]]
    """What is trained; of several, the one that does best on held-out rows."""

    def __init__(self, contract: Contract, problem: str) -> None:
        self.contract = contract
        self.problem = problem
        self.logarithms: bool | None = None
        self._learned: Learned | None = None

    @classmethod
    def for_task(cls, contract: Contract, problem: str) -> Self:
        """Return an unfitted estimator for a task."""
        return cls(contract, problem)

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Learn from feature columns and the target of shape (rows,)."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

        from regraft_inference.estimators.held_out import Table  # noqa: PLC0415  (serving needs none of it)
        from regraft_inference.estimators.training import train  # noqa: PLC0415

        encoding = Encoding.learn(self.contract, columns)
        link: Link = "log1p" if self._by_logarithms(target) else "identity"
        values, classes, center, scale = self._numbers(np.log1p(target) if link == "log1p" else target)
        matrix = encoding.matrix(columns)
        state: dict[str, Any] = {"contract": self.contract, "problem": self.problem, "encoding": encoding, "link": link}
        if len(classes) == 1 or scale == 0:
            model: AdditiveModel | TreesModel = AdditiveModel(np.zeros(1), [])
            state |= {"kind": "additive", "slope": 1.0, "offsets": [center], "losses": {}}
        else:
            with threadpool_limits(1):  # of small matrices, threads cost more than they do
                found = train(Table(matrix, values, encoding.parts, len(classes)), self.kinds)
            model = found.model
            offsets = (center + scale * found.offsets).tolist()
            state |= {"kind": found.model.kind, "slope": scale * found.slope, "offsets": offsets}
            state |= {"losses": found.losses}
        self._learned = Learned.of(Fitted(classes=classes, **state), model)
        return self

    def _by_logarithms(self, target: NDArray[Any]) -> bool:
        if self.problem != "regression":
            return False
        return has_heavy_tail(target) if self.logarithms is None else self.logarithms

    def predict(self, columns: Columns) -> NDArray[Any]:
        """Return labels as str, booleans as bool, integers as int64, other values as float64; shape (rows,)."""
        return self.answers_of(self.scores(columns))

    def answers_of(self, scores: Floats) -> NDArray[Any]:
        """Return what is answered where the model has these scores, as ``predict`` does."""
        fitted = self.fitted
        if not fitted.classes:
            numbers = np.expm1(np.clip(scores[:, 0], 0, LARGEST_LOG)) if fitted.link == "log1p" else scores[:, 0]
            return integers_of(numbers) if self.contract.target.type == "integer" else numbers
        places = (scores[:, 0] > 0).astype(np.int64) if fitted.outputs == 1 else scores.argmax(axis=1)
        if len(fitted.classes) == 1:
            places = np.zeros(len(scores), dtype=np.int64)
        return fitted.answers.take(places)

    @property
    def classes(self) -> list[Any]:
        """The classes that it has seen, ascending."""
        return list(self.fitted.classes)

    def probabilities(self, columns: Columns) -> Floats:
        """Return the probability of each of the classes, shape (rows, classes)."""
        scores = self.scores(columns)
        if len(self.classes) == 1:
            return np.ones((len(scores), 1))
        if self.fitted.outputs == 1:
            second = np.exp(-np.logaddexp(0, -scores[:, 0]))
            return np.stack([1 - second, second], axis=1)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Floats = odds / odds.sum(axis=1, keepdims=True)
        return found

    def reasons(self, columns: Columns) -> Sequence[Reasons]:
        """Return what each column added to the answer, largest first.

        Of more than two classes, to the score of the class that is answered, less the mean score of all classes.
        """
        return self.explained(columns)[1]

    def explained(self, columns: Columns) -> tuple[Floats, Sequence[Reasons]]:
        """Return the scores and the reasons of each row, which is looked up once for both."""
        return self._all_learned.explainer.explained(columns)

    @property
    def explains_slowly(self) -> bool:
        """Whether reasons take many times as long as answers, as TreeSHAP values of large trees do."""
        return isinstance(self.model, TreesModel) and self.model.explains_slowly

    def explain(self, batches: TrainingBatches) -> dict[str, Any]:
        """Return what columns add to the answers of some training rows: ``Explainer.told``."""
        columns, _ = next(iter(batches()))
        return self._all_learned.explainer.told({name: values[:EXPLAINED_ROWS] for name, values in columns.items()})

    def save(self, folder: Path) -> None:
        """Write the model, and what is known besides."""
        (folder / FILE).write_text(self.fitted.model_dump_json())
        self.model.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what ``save`` wrote. Raises BundleError (``estimator_damaged``)."""
        path = folder / FILE
        try:
            fitted = Fitted.model_validate_json(bounded(path, MOST_BYTES))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error
        model = KINDS[fitted.kind].load(folder, parts=len(fitted.encoding.parts), outputs=fitted.outputs)
        found = cls(fitted.contract, fitted.problem)
        found._learned = Learned.of(fitted, model)
        return found

    def parameters(self) -> dict[str, Any]:
        """Return which kind of model the data chose, and the held-out loss of each that was tried."""
        if self._learned is None:
            return {"model": " or ".join(self.kinds)}
        losses = {f"held_out_loss_{kind}": loss for kind, loss in self.fitted.losses.items()}
        return {"model": self.fitted.kind, **losses}

    @property
    def fitted(self) -> Fitted:
        """What was learned besides the model."""
        return self._all_learned.fitted

    @property
    def model(self) -> AdditiveModel | TreesModel:
        """The model."""
        return self._all_learned.model

    @property
    def _all_learned(self) -> Learned:
        if self._learned is None:
            raise RuntimeError("the estimator has not been fitted")
        return self._learned

    def scores(self, columns: Columns) -> Floats:
        """Return the scores on the model's scale, shape (rows, outputs)."""
        if rows_of(columns) == 0:
            return np.zeros((0, self.fitted.outputs))
        model, encoding = self.model, self.fitted.encoding
        if isinstance(model, AdditiveModel) and rows_of(columns) <= FEW_ROWS:
            return self.fitted.line(model.scores_of(encoding.rows(columns)))
        return self.fitted.line(model.scores(encoding.matrix(columns)))

    def _numbers(self, target: NDArray[Any]) -> tuple[Floats, list[Any], float, float]:
        """Return the target as numbers, its classes, and of a regression mean and deviation."""
        if self.problem == "classification":
            classes, places = np.unique(target.astype(str) if self.contract.has_labels else target, return_inverse=True)
            return places.astype(np.float64), classes.tolist(), 0.0, 1.0
        values = target.astype(np.float64)
        center, scale = float(values.mean()), float(values.std())
        return (values - center) / (scale or 1.0), [], center, scale


class AdditiveEstimator(TabularEstimator):
    """An explainable boosting machine, as plain arrays."""

    format = "additive"
    kinds = ("additive",)


class BoostedEstimator(TabularEstimator):
    """LightGBM, as its text model."""

    format = "boosted"
    kinds = ("boosted",)


class AutoEstimator(TabularEstimator):
    """The additive model, unless the boosted one does better on held-out rows by over one standard error."""

    format = "auto"
    kinds = ("additive", "boosted")
