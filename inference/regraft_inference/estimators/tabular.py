"""Estimators for any table: ``additive``, ``boosted``, and ``auto``, which takes the better of the two.

What they say is linear on a scale: the target's own for numbers, log odds for classes. So the answer of each row can be
taken apart into what each column added (``reasons``), exactly for the additive model, by TreeSHAP for the boosted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.errors import BundleError
from regraft_inference.estimators import Columns, ReasonsTable, TrainingBatches, bounded, rows_of
from regraft_inference.estimators.additive import FEW_ROWS, AdditiveModel
from regraft_inference.estimators.encoding import Encoding
from regraft_inference.estimators.reasons import Cells, Placed, Reasons
from regraft_inference.estimators.shapes import pair_of, shape_of
from regraft_inference.estimators.targets import has_heavy_tail, integers_of
from regraft_inference.estimators.trees import TreesModel

type Floats = NDArray[np.float64]

type Link = Literal["identity", "log1p"]

FILE = "estimator.json"
MOST_BYTES = 5 << 20
EXPLAINED_ROWS = 1000
"""Rows of which it is told how much each column adds."""
MOST_CELLS = 1 << 13
"""Numbers that columns can add up to which they are told apart, since of each a text is kept."""
MOST_SHAPES = 100
"""Shapes that are told of a model: those of the columns that add most."""
LESS_MEAN = ", less the mean of all classes"
LARGEST_LOG = 709.0
"""Of larger logarithms numbers do not fit into 64 bits."""

KINDS: dict[str, type[AdditiveModel] | type[TreesModel]] = {"additive": AdditiveModel, "boosted": TreesModel}


class Fitted(BaseModel):
    """What an estimator knows besides the numbers of its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["additive", "boosted"]
    contract: Contract
    problem: Literal["regression", "classification"]
    encoding: Encoding
    classes: list[bool | int | str]
    """Those of the training rows, ascending; none for a regression."""

    slope: FiniteFloat
    offsets: list[FiniteFloat]
    losses: dict[str, FiniteFloat]
    link: Link = "identity"
    """What the scores of a regression are: the target, or of one with a heavy tail log(1 + target)."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.offsets) != self.outputs:
            raise ValueError(f"it must have {self.outputs} offsets")
        if (self.problem == "classification") != bool(self.classes):
            raise ValueError("a classification has classes, and nothing else has")
        if self.encoding.features != self.contract.features:
            raise ValueError("the encoding is of other columns than the contract")
        return self

    @cached_property
    def starts(self) -> Floats:
        """The offsets as an array."""
        return np.array(self.offsets)

    @cached_property
    def columns_of_parts(self) -> list[int]:
        """Of each part of the matrix the place of its column."""
        places = {name: place for place, name in enumerate(self.contract.feature_names)}
        return [places[part.column] for part in self.encoding.parts]

    @cached_property
    def answers(self) -> NDArray[Any]:
        """The classes as they are answered, in the target's type."""
        kinds = {"boolean": np.bool_, "integer": np.int64, "number": np.float64}
        return np.array(self.classes, dtype=kinds.get(self.contract.target.type, object))

    @property
    def outputs(self) -> int:
        """Scores of each row."""
        return len(self.classes) if len(self.classes) > 2 else 1


class TabularEstimator:
    """Made for a contract; once fitted, answers in the target's type. The same rows give the same model."""

    format: ClassVar[str]
    kinds: ClassVar[tuple[Literal["additive", "boosted"], ...]]
    """What is trained; of several, the one that does best on held-out rows."""

    def __init__(self, contract: Contract, problem: str) -> None:
        self.contract = contract
        self.problem = problem
        self.logarithms: bool | None = None
        self._fitted: Fitted | None = None
        self._model: AdditiveModel | TreesModel | None = None
        self._known: tuple[Cells, NDArray[np.intp]] | None = None

    @classmethod
    def for_task(cls, contract: Contract, problem: str) -> Self:
        """Return an unfitted estimator for a task."""
        return cls(contract, problem)

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Learn from feature columns and the target of shape (rows,)."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

        from regraft_inference.estimators.training import Table, train  # noqa: PLC0415  (serving needs none of it)

        encoding = Encoding.learn(self.contract, columns)
        link: Link = "log1p" if self._by_logarithms(target) else "identity"
        values, classes, center, scale = self._numbers(np.log1p(target) if link == "log1p" else target)
        matrix = encoding.matrix(columns)
        state: dict[str, Any] = {"contract": self.contract, "problem": self.problem, "encoding": encoding, "link": link}
        if len(classes) == 1 or scale == 0:
            self._model = AdditiveModel(np.zeros(1), [])
            state |= {"kind": "additive", "slope": 1.0, "offsets": [center], "losses": {}}
        else:
            with threadpool_limits(1):  # of small matrices, threads cost more than they do
                found = train(Table(matrix, values, encoding.parts, len(classes)), self.kinds)
            self._model = found.model
            offsets = (center + scale * found.offsets).tolist()
            state |= {"kind": found.model.kind, "slope": scale * found.slope, "offsets": offsets}
            state |= {"losses": found.losses}
        self._fitted = Fitted(classes=classes, **state)
        self._known = self._known_cells()
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

    @property
    def explains_slowly(self) -> bool:
        """Whether reasons take many times as long as answers, as TreeSHAP values of trees do."""
        return isinstance(self.model, TreesModel)

    def explained(self, columns: Columns) -> tuple[Floats, Sequence[Reasons]]:
        """Return the scores and the reasons of each row, which is looked up once for both."""
        model = self.model
        if isinstance(model, AdditiveModel) and self.fitted.outputs == 1 and 0 < rows_of(columns) <= FEW_ROWS:
            return self._explained_few(model, self.fitted.encoding.rows(columns))
        matrix = self.fitted.encoding.matrix(columns)
        if isinstance(model, AdditiveModel) and self._known is not None:
            cells, places = self._known
            scores, of_model = model.placed(matrix)
            return self._line(scores), self._table_of(cells, places.take(of_model))
        scores, added = self._added(matrix)
        return scores, self._table(scores.argmax(axis=1), np.ascontiguousarray(_of_answers(scores, added)))

    def _explained_few(self, model: AdditiveModel, rows: Sequence[Sequence[float]]) -> tuple[Floats, list[Reasons]]:
        """Do as ``explained`` for rows of plain numbers and an only output, without arrays, which cost more here."""
        names, scale, slope = self.contract.feature_names, self._scale(0), self.fitted.slope
        start = self.fitted.offsets[0] + slope * float(model.intercept[0])
        found = [model.sum_and_added(row, 0) for row in rows]
        by_column = [self._by_column_of([slope * one for one in added]) for _, added in found]
        answers = (start + np.array(by_column).sum(axis=1)).tolist()
        reasons = []
        for added, answer in zip(by_column, answers, strict=True):
            order = sorted(range(len(added)), key=[-abs(one) for one in added].__getitem__)
            reasons.append(Reasons(scale, start, [names[one] for one in order], [added[one] for one in order], answer))
        return self._line(np.array([[total] for total, _ in found])), reasons

    def _by_column_of(self, added: list[float]) -> list[float]:
        """Return the sums over the parts of each column of one row, as ``_by_column`` does."""
        if len(added) == len(self.contract.features):
            return added
        found = [0.0] * len(self.contract.features)
        for column, one in zip(self.fitted.columns_of_parts, added, strict=True):
            found[column] += one
        return found

    def _added(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return the scores, and what each column adds to them, shape (rows, columns, outputs).

        Of more than two classes, less what it adds to all of them in the mean.
        """
        scores, added = self.model.explained(matrix)
        return self._line(scores), self._by_column(self._less_mean(self.fitted.slope * added))

    def _less_mean(self, added: Floats) -> Floats:
        """Return what is added to several outputs, the last axis, less the mean of them; to an only one as it is."""
        return added if self.fitted.outputs == 1 else added - added.mean(axis=-1, keepdims=True)

    def _table(self, outputs: NDArray[np.int64], added: Floats) -> ReasonsTable:
        """Return what columns ``added`` to one of the outputs of each row, the largest first."""
        order = np.argsort(-np.abs(added), axis=1, kind="stable")
        ordered = added.take(order + np.arange(len(added))[:, np.newaxis] * added.shape[1])
        return self._reasons(outputs, order, ordered, added.sum(axis=1))

    def _table_of(self, cells: Cells, places: NDArray[np.intp]) -> ReasonsTable:
        """Return the reasons of rows of which it is known which cell each column adds to the only output."""
        sums, placed = cells.added.take(places).sum(axis=1), np.sort(places, axis=1)
        order, added = cells.columns.take(placed), cells.added.take(placed)
        return self._reasons(np.zeros_like(places[:, 0]), order, added, sums, Placed(cells, placed))

    def _reasons(
        self,
        outputs: NDArray[np.int64],
        order: NDArray[np.int64],
        added: Floats,
        sums: Floats,
        placed: Placed | None = None,
    ) -> ReasonsTable:
        start = self._line(self.model.intercept)
        if self.fitted.outputs > 1:
            start = start - start.mean()
        scales = tuple(self._scale(output) for output in range(self.fitted.outputs))
        names = tuple(self.contract.feature_names)
        answers = start[outputs] + sums
        return ReasonsTable(names, scales, tuple(start.tolist()), outputs, order, added, answers, placed)

    def explain(self, batches: TrainingBatches) -> dict[str, Any]:
        """Return what each column adds to the answers of some training rows, those that add most first.

        ``importance``: how much, in the mean. ``shapes``: at which of its values (``shape_of``), on the ``scale``; of
        more than two classes to the score of each, which is its ``answer``. ``pairs``: what two columns add together
        (``pair_of``), a half of which counts for each; where there are more than two classes, models have no pairs.
        There are at most ``MOST_SHAPES`` of either.
        """
        columns, _ = next(iter(batches()))
        columns = {name: values[:EXPLAINED_ROWS] for name, values in columns.items()}
        fitted, features = self.fitted, self.contract.features
        matrix = fitted.encoding.matrix(columns)
        scores, added = self._added(matrix)
        means = np.abs(_of_answers(scores, added)).mean(axis=0)
        order = np.argsort(-means, kind="stable").tolist()
        answers = [str(one) for one in fitted.classes] if fitted.outputs > 1 else [None]
        shapes = [
            shape_of(features[place], columns[features[place].name], added[:, place, output], answer)
            for place in order[: MOST_SHAPES // len(answers)]
            for output, answer in enumerate(answers)
        ]
        pairs = [
            pair_of(both, (columns[both[0].name], columns[both[1].name]), of_pair)
            for both, of_pair in self._pairs(matrix)[:MOST_SHAPES]
        ]
        return {
            "importance": [{"column": features[place].name, "added": float(means[place])} for place in order],
            "scale": self._scale(0) if fitted.outputs == 1 else f"score of {self.contract.target.name}{LESS_MEAN}",
            "shapes": [shape for shape in shapes if shape is not None],
            "pairs": [pair for pair in pairs if pair is not None],
        }

    def _pairs(self, matrix: Floats) -> list[tuple[tuple[Column, Column], Floats]]:
        """Return which two columns add something together to an only output, and what; the largest first."""
        if not isinstance(self.model, AdditiveModel) or self.fitted.outputs > 1:
            return []
        columns, features, slope = self.fitted.columns_of_parts, self.contract.features, self.fitted.slope
        found = [
            ((features[columns[first]], features[columns[second]]), slope * added)
            for (first, second), added in self.model.pairs(matrix)
            if columns[first] != columns[second]
        ]
        return sorted(found, key=lambda one: -float(np.abs(one[1]).mean()))

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
        found = cls(fitted.contract, fitted.problem)
        found._fitted = fitted
        found._model = KINDS[fitted.kind].load(folder, parts=len(fitted.encoding.parts), outputs=fitted.outputs)
        found._known = found._known_cells()
        return found

    def parameters(self) -> dict[str, Any]:
        """Return which kind of model the data chose, and the held-out loss of each that was tried."""
        if self._fitted is None:
            return {"model": " or ".join(self.kinds)}
        losses = {f"held_out_loss_{kind}": loss for kind, loss in self._fitted.losses.items()}
        return {"model": self._fitted.kind, **losses}

    @property
    def fitted(self) -> Fitted:
        """What was learned besides the model."""
        if self._fitted is None:
            raise RuntimeError("the estimator has not been fitted")
        return self._fitted

    @property
    def model(self) -> AdditiveModel | TreesModel:
        """The model."""
        if self._model is None:
            raise RuntimeError("the estimator has not been fitted")
        return self._model

    def scores(self, columns: Columns) -> Floats:
        """Return the scores on the model's scale, shape (rows, outputs)."""
        if rows_of(columns) == 0:
            return np.zeros((0, self.fitted.outputs))
        model, encoding = self.model, self.fitted.encoding
        if isinstance(model, AdditiveModel) and rows_of(columns) <= FEW_ROWS:
            return self._line(model.scores_of(encoding.rows(columns)))
        return self._line(model.scores(encoding.matrix(columns)))

    def _line(self, scores: Floats) -> Floats:
        return self.fitted.starts + self.fitted.slope * scores

    def _by_column(self, added: Floats) -> Floats:
        """Return the sums over the parts of each column, shape (rows, columns, outputs)."""
        columns = self.fitted.columns_of_parts
        firsts = [place for place, column in enumerate(columns) if not place or column != columns[place - 1]]
        if len(firsts) == len(columns):
            return added
        found: Floats = np.add(added[:, firsts], 0.0, order="C")  # as every sum that begins with 0.0: never -0.0
        for column, (first, behind) in enumerate(pairwise([*firsts, len(columns)])):
            for part in range(first + 1, behind):
                found[:, column] += added[:, part]
        return found

    def _known_cells(self) -> tuple[Cells, NDArray[np.intp]] | None:
        """Return all that columns can add, and the place there of each cell of the model.

        Where each column is one part, which adds one of a few numbers to an only output; None elsewhere.
        """
        fitted, model = self.fitted, self.model
        parts = len(fitted.encoding.parts)
        if not isinstance(model, AdditiveModel) or fitted.outputs > 1 or parts > len(self.contract.features):
            return None
        if not model.has_one_term_for_each(parts):
            return None
        columns, scores = model.cells()
        if len(columns) > MOST_CELLS:
            return None
        added = fitted.slope * (scores[:, 0] + 0.0)  # as every sum that begins with 0.0: never -0.0
        return Cells.ordered(columns, added)

    def _scale(self, place: int) -> str:
        classes, name = self.fitted.classes, self.contract.target.name
        if not classes:
            return f"log(1 + {name})" if self.fitted.link == "log1p" else name
        if len(classes) <= 2:
            last = classes[-1]
            return f"log odds that {name} is {str(last).lower() if isinstance(last, bool) else last}"
        return f"score of {name} {classes[place]}{LESS_MEAN}"

    def _numbers(self, target: NDArray[Any]) -> tuple[Floats, list[Any], float, float]:
        """Return the target as numbers, its classes, and of a regression mean and deviation."""
        if self.problem == "classification":
            classes, places = np.unique(target.astype(str) if self.contract.has_labels else target, return_inverse=True)
            return places.astype(np.float64), classes.tolist(), 0.0, 1.0
        values = target.astype(np.float64)
        center, scale = float(values.mean()), float(values.std())
        return (values - center) / (scale or 1.0), [], center, scale


def _of_answers(scores: Floats, added: Floats) -> Floats:
    """Return what columns added, shape (rows, columns, outputs), to the largest score of each row."""
    if added.shape[2] == 1:
        return added[:, :, 0]
    found: Floats = added[np.arange(len(added)), :, scores.argmax(axis=1)]
    return found


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
