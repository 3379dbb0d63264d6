"""How additive and boosted models are trained, and which of them a table gets. Nothing here is needed for serving.

Both are trained on a matrix of parts (``encoding``) and a target that is standardised (regression) or counted in
classes. Held-out scores of a few folds tell how well each does, how far its scores have to be stretched to be
calibrated probabilities, and how many trees are enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from regraft_inference.estimators.additive import AdditiveModel, Term
from regraft_inference.estimators.encoding import Part
from regraft_inference.estimators.trees import TreesModel

type Floats = NDArray[np.float64]
type Model = AdditiveModel | TreesModel
type Kind = Literal["additive", "boosted"]
type Fit = Callable[["Table", NDArray[np.int64]], Model]

SEED = 1
FOLDS = 3
MOST_ADDITIVE_ROWS = 30_000
"""Above so many rows the additive model takes too long, and the boosted one is as good or better."""

FEW_ROWS = 1_000
FEW_OF_A_CLASS = 8
MOST_TREES = 400
"""Of all outputs together."""

SLOPES = (0.2, 2.0)
PRIOR = 1e-3


@dataclass(frozen=True)
class Table:
    """What is trained on. ``target`` is standardised, or holds the places of the classes."""

    matrix: Floats
    target: Floats
    parts: list[Part]
    classes: int
    """0 for a regression."""

    @property
    def outputs(self) -> int:
        """Scores of each row: one, or one for each class where there are more than two."""
        return self.classes if self.classes > 2 else 1

    @property
    def least_of_a_class(self) -> int:
        """Rows of the class that has the fewest; of a regression all."""
        if not self.classes:
            return len(self.target)
        return int(np.bincount(self.target.astype(np.int64), minlength=self.classes).min())

    def rows(self, places: NDArray[np.int64]) -> Table:
        """Return some of the rows."""
        return Table(self.matrix[places], self.target[places], self.parts, self.classes)


@dataclass(frozen=True)
class Trained:
    """A model, and the line from its scores to the link: ``offsets + slope * scores``."""

    model: Model
    slope: float
    offsets: Floats
    losses: dict[str, float]
    """Mean held-out loss of each kind that was tried; of a regression in variances of the target."""


def train(table: Table, kinds: tuple[Kind, ...]) -> Trained:
    """Train the kind that does better on held-out rows: the first, unless another one does by over a standard error."""
    if len(table.target) > MOST_ADDITIVE_ROWS and "boosted" in kinds:
        kinds = ("boosted",)
    tried = [(kind, *_held_out(table, kind)) for kind in kinds]
    best = tried[0]
    for other in tried[1:]:
        gain = best[1] - other[1]
        if gain.mean() > gain.std() / np.sqrt(len(gain)):
            best = other
    kind, _, slope, offsets, rounds = best
    model = _fit(table, kind, rounds)
    return Trained(model, slope, offsets, {name: float(losses.mean()) for name, losses, *_ in tried})


def _held_out(table: Table, kind: Kind) -> tuple[Floats, float, Floats, int]:
    """Return the loss of each held-out row, slope, offsets, and rounds of boosting that are enough."""
    if table.least_of_a_class < 2 * FOLDS:
        return np.zeros(1), 1.0, np.zeros(table.outputs), 40
    folds = _folds(table)
    used = 1 if len(table.target) > MOST_ADDITIVE_ROWS else FOLDS
    scores, targets, rounds = [], [], []
    for fold in range(used):
        inside, outside = table.rows(np.flatnonzero(folds != fold)), table.rows(np.flatnonzero(folds == fold))
        if kind == "boosted":
            model: Model
            model, best = _fit_trees(inside, MOST_TREES, outside)
            rounds.append(best)
        else:
            model = fit_additive(inside)
        scores.append(model.scores(outside.matrix))
        targets.append(outside.target)
    found, target = np.concatenate(scores), np.concatenate(targets)
    slope, offsets = _calibration(found, target, table.classes)
    return _losses(offsets + slope * found, target, table.classes), slope, offsets, int(np.mean(rounds or [1]))


def _fit(table: Table, kind: Kind, rounds: int) -> Model:
    return fit_additive(table) if kind == "additive" else fit_boosted(table, rounds)


def _folds(table: Table) -> NDArray[np.int64]:
    """Return a fold for each row, every class and every range of the target alike in all of them."""
    mixed = np.random.default_rng(SEED).permutation(len(table.target))
    order = mixed[np.argsort(table.target[mixed], kind="stable")]
    folds = np.empty(len(order), dtype=np.int64)
    folds[order] = np.arange(len(order)) % FOLDS
    return folds


def _calibration(scores: Floats, target: Floats, classes: int) -> tuple[float, Floats]:
    """Return slope and offsets with the smallest loss on held-out scores, drawn a little to 1 and 0."""
    outputs = scores.shape[1]
    if not classes:
        return 1.0, np.zeros(1)

    def loss(line: Floats) -> float:
        away = (line[0] - 1) ** 2 + (line[1:] ** 2).sum()
        return float(_losses(line[1:] + line[0] * scores, target, classes).mean() + PRIOR * away)

    start = np.array([1.0, *np.zeros(outputs)])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[SLOPES, *[(-3.0, 3.0)] * outputs]).x
    return float(found[0]), found[1:]


def _losses(scores: Floats, target: Floats, classes: int) -> Floats:
    """Return squared errors, or negative logarithms of the probability of what was."""
    if not classes:
        found: Floats = (scores[:, 0] - target) ** 2
        return found
    places = target.astype(np.int64)
    if classes <= 2:
        return np.logaddexp(0, np.where(places == 1, -scores[:, 0], scores[:, 0]))
    total: Floats = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(scores)), places]
    return total


def fit_additive(table: Table) -> AdditiveModel:
    """Train an explainable boosting machine, and take its tables of scores out of it."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor  # noqa: PLC0415

    kinds = ["nominal" if part.levels is not None else "continuous" for part in table.parts]
    few = table.least_of_a_class < FEW_OF_A_CLASS
    settings: dict[str, Any] = {
        "feature_types": kinds,
        "outer_bags": 1 if few else 2,
        "validation_size": 0 if few else 0.15,
        "interactions": 3 if table.outputs == 1 and len(table.target) >= 200 else 0,
        "learning_rate": 0.05,
        "smoothing_rounds": 20,
        "interaction_smoothing_rounds": 10,
        "early_stopping_rounds": 20,
        "max_rounds": 30 if few else 500,
        "max_bins": 256,
        "n_jobs": 1,
        "random_state": SEED,
    }
    machine = (ExplainableBoostingClassifier if table.classes else ExplainableBoostingRegressor)(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine.fit(_constants_kept(table.matrix), table.target.astype(np.int64) if table.classes else table.target)
    terms = [
        _term(machine, table.parts, parts, scores)
        for parts, scores in zip(machine.term_features_, machine.term_scores_, strict=True)
    ]
    return AdditiveModel(np.atleast_1d(np.asarray(machine.intercept_, dtype=np.float64)), terms)


def _constants_kept(matrix: Floats) -> Floats:
    """Return the matrix with a value in place of parts that are gaps only, of which no bins can be made."""
    empty = np.isnan(matrix).all(axis=0)
    return np.where(empty, 0.0, matrix)


def _term(machine: Any, parts: list[Part], places: tuple[int, ...], scores: Floats) -> Term:
    """Return a term of the machine with cuts on every axis; the machine's row for unknown values falls away."""
    cuts: list[Floats] = []
    for axis, place in enumerate(places):
        bins = machine.bins_[place][min(len(machine.bins_[place]), len(places)) - 1]
        levels = parts[place].levels
        if isinstance(bins, dict):
            known = {int(float(value)): number for value, number in bins.items()}
            last = scores.shape[axis] - 1
            rows = [0, *(known.get(level, last) for level in range(max(levels or 0, 1)))]
            scores = scores.take(rows, axis=axis)
            cuts.append(np.arange(0.5, (levels or 0) - 1, dtype=np.float64))
        else:
            scores = scores.take(range(scores.shape[axis] - 1), axis=axis)
            cuts.append(np.asarray(bins, dtype=np.float64))
    axes = tuple(len(one) + 2 for one in cuts)
    return Term(tuple(places), tuple(cuts), np.ascontiguousarray(scores, dtype=np.float64).reshape(*axes, -1))


def fit_boosted(table: Table, rounds: int) -> TreesModel:
    """Train so many rounds of trees."""
    return _fit_trees(table, rounds, None)[0]


def _fit_trees(table: Table, rounds: int, held_out: Table | None) -> tuple[TreesModel, int]:
    import lightgbm  # noqa: PLC0415  (takes seconds)

    rows, outputs = len(table.target), table.outputs
    small = rows < FEW_ROWS
    objective = "regression" if not table.classes else "binary" if table.classes <= 2 else "multiclass"
    settings: dict[str, Any] = {
        "objective": objective,
        "num_class": outputs,
        "learning_rate": 0.08 if small else 0.1,
        "num_leaves": 6 if small else 31,
        "min_data_in_leaf": max(3, min(20, rows // 30)),
        "lambda_l2": 1.0,
        "feature_fraction": 0.8,
        "num_threads": 1 if rows < 100_000 else 2,
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    curve: dict[str, Any] = {}
    data = lightgbm.Dataset(table.matrix, table.target, free_raw_data=False)
    valid = [] if held_out is None else [lightgbm.Dataset(held_out.matrix, held_out.target, reference=data)]
    calls = [lightgbm.early_stopping(20, verbose=False), lightgbm.record_evaluation(curve)] if valid else []
    most = max(1, min(rounds, MOST_TREES // outputs))
    booster = lightgbm.train(settings, data, most, valid_sets=valid, callbacks=calls)
    best = max(1, booster.best_iteration if valid else booster.current_iteration())
    text = booster.model_to_string(num_iteration=best).partition("end of trees")[0] + "end of trees\n"
    return TreesModel(text, parts=table.matrix.shape[1], outputs=outputs), best
