"""How additive and boosted models are trained, and which of them a table gets. Nothing here is needed for serving.

Both are trained on a matrix of parts (``encoding``) and a target that is standardised (regression) or counted in
classes. Held-out scores of a few folds tell how well each does, how far its scores have to be stretched to be
calibrated probabilities, and how many trees are enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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

SEED = 1
FOLDS = 3
FOLDS_OF_FEW = 4
"""Parts that are held out in turn, of many rows and of few."""

MOST_ADDITIVE_ROWS = 30_000
"""Above so many rows the additive model takes too long, and the boosted one is as good or better."""

MOST_ROWS_ALONE = 100_000
"""Of more rows the additive model, where nothing else is wanted, learns from so many."""

FEW_ROWS = 1_000
ROWS_FOR_PAIRS = 200
MOST_UPDATES = 15_000
"""Of all parts of all machines together, of about .15 ms each: bounds the time that few rows of many parts take."""

FEW_ROUNDS = 40
"""Rounds of boosting where there are too few rows to see how many are enough."""

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
class Attempt:
    """A model, and what such models say of rows that they were not trained on; no rows where there are too few."""

    model: Model
    scores: Floats
    target: Floats


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
    tried = [_calibrated(TRAINERS[kind](table), table.classes) for kind in kinds]
    best, losses = tried[0]
    for other, other_losses in tried[1:]:
        gain = losses - other_losses
        if gain.mean() > gain.std() / np.sqrt(len(gain)):
            best, losses = other, other_losses
    return replace(best, losses={name: loss for one, _ in tried for name, loss in one.losses.items()})


def _calibrated(attempt: Attempt, classes: int) -> tuple[Trained, Floats]:
    """Return a model with the line that makes its held-out scores fit best, and the loss of each held-out row."""
    model, scores, target = attempt.model, attempt.scores, attempt.target
    if not len(target):
        return Trained(model, 1.0, np.zeros(scores.shape[1]), {}), np.zeros(1)
    slope, offsets = _calibration(scores, target, classes)
    losses = _losses(offsets + slope * scores, target, classes)
    return Trained(model, slope, offsets, {model.kind: float(losses.mean())}), losses


def _number_of_folds(table: Table) -> int:
    """Return how many parts of the rows are held out in turn; 0 where there are too few rows of a class."""
    number = FOLDS_OF_FEW if len(table.target) < FEW_ROWS else FOLDS
    return number if table.least_of_a_class >= 2 * number else 0


def _folds(table: Table, number: int) -> NDArray[np.int64]:
    """Return a fold for each row, every class and every range of the target alike in all of them."""
    mixed = np.random.default_rng(SEED).permutation(len(table.target))
    order = mixed[np.argsort(table.target[mixed], kind="stable")]
    folds = np.empty(len(order), dtype=np.int64)
    folds[order] = np.arange(len(order)) % number
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


def fit_additive(table: Table) -> Attempt:
    """Train an explainable boosting machine, and take its tables of scores out of it.

    It is the mean of a few machines, of which each stops early by the fold of the rows that it is not trained on; so
    every row is held out of one.
    """
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor  # noqa: PLC0415

    if len(table.target) > MOST_ROWS_ALONE:
        places = np.random.default_rng(SEED).choice(len(table.target), MOST_ROWS_ALONE, replace=False)
        table = table.rows(np.sort(places))
    bags, kept = _bags(table), _varying(table)
    rounds = max(FEW_ROUNDS, min(500, MOST_UPDATES // (max(len(kept), 1) * bags.shape[1])))
    settings: dict[str, Any] = {
        "feature_types": ["continuous" if part.levels is None else "nominal" for part in kept.values()] or None,
        "outer_bags": bags.shape[1],
        "interactions": 3 if table.outputs == 1 and len(table.target) >= ROWS_FOR_PAIRS else 0,
        "learning_rate": min(0.15, max(0.05, 12.5 / rounds)),
        "smoothing_rounds": 20,
        "interaction_smoothing_rounds": 10,
        "early_stopping_rounds": 20,
        "max_rounds": rounds if bags.min() < 0 else FEW_ROUNDS,
        "max_bins": 256,
        "n_jobs": 1,
        "random_state": SEED,
    }
    machine = (ExplainableBoostingClassifier if table.classes else ExplainableBoostingRegressor)(**settings)
    target = table.target.astype(np.int64) if table.classes else table.target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine.fit(table.matrix[:, list(kept)] if kept else np.zeros((len(target), 1)), target, bags=bags)
    model = additive_model(machine, kept, machine.intercept_, machine.term_scores_)
    held_out = [np.flatnonzero(bag < 0) for bag in bags.T]
    scores = [np.zeros((0, table.outputs))]
    for bag, rows in enumerate(held_out):
        of_bag = [scores[bag] for scores in machine.bagged_scores_]
        one = additive_model(machine, kept, machine.bagged_intercept_[bag], of_bag)
        scores.append(one.scores(table.matrix[rows]))
    return Attempt(model, np.concatenate(scores), table.target[np.concatenate(held_out)])


def _bags(table: Table) -> NDArray[np.int8]:
    """Return what each machine does with each row, shape (rows, machines): 1 learns from it, -1 stops early by it."""
    number = _number_of_folds(table)
    if number < 2:
        return np.ones((len(table.target), 1), dtype=np.int8)
    folds = _folds(table, number)
    return np.where(folds[:, None] == np.arange(number), -1, 1).astype(np.int8)


def _varying(table: Table) -> dict[int, Part]:
    """Return the parts by their places, without those that are the same in all rows, which tell nothing."""
    matrix = table.matrix
    same = (matrix == matrix[0]) | (np.isnan(matrix) & np.isnan(matrix[0]))
    return {int(place): table.parts[place] for place in np.flatnonzero(~same.all(axis=0))}


def additive_model(machine: Any, parts: dict[int, Part], intercept: Any, scores: Sequence[Floats]) -> AdditiveModel:
    """Return a machine of these parts, or one of those that it is the mean of, as plain arrays."""
    terms = [
        _term(machine, list(parts.items()), places, of_term)
        for places, of_term in zip(machine.term_features_, scores, strict=True)
        if parts
    ]
    return AdditiveModel(np.atleast_1d(np.asarray(intercept, dtype=np.float64)), terms)


def _term(machine: Any, parts: list[tuple[int, Part]], places: tuple[int, ...], scores: Floats) -> Term:
    """Return a term of the machine with cuts on every axis; the machine's row for unknown values falls away."""
    cuts: list[Floats] = []
    for axis, place in enumerate(places):
        bins = machine.bins_[place][min(len(machine.bins_[place]), len(places)) - 1]
        levels = parts[place][1].levels
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
    return Term(
        tuple(parts[place][0] for place in places),
        tuple(cuts),
        np.ascontiguousarray(scores, dtype=np.float64).reshape(*axes, -1),
    )


def fit_boosted(table: Table) -> Attempt:
    """Train trees; held-out rows tell how many are enough."""
    number = _number_of_folds(table)
    if number < 2:
        model, _ = _fit_trees(table, FEW_ROUNDS, None)
        return Attempt(model, np.zeros((0, table.outputs)), np.zeros(0))
    folds = _folds(table, number)
    scores, targets, rounds = [], [], []
    for fold in range(1 if len(table.target) > MOST_ADDITIVE_ROWS else number):
        inside, outside = table.rows(np.flatnonzero(folds != fold)), table.rows(np.flatnonzero(folds == fold))
        model, best = _fit_trees(inside, MOST_TREES, outside)
        rounds.append(best)
        scores.append(model.scores(outside.matrix))
        targets.append(outside.target)
    model, _ = _fit_trees(table, int(np.mean(rounds)), None)
    return Attempt(model, np.concatenate(scores), np.concatenate(targets))


TRAINERS: dict[Kind, Callable[[Table], Attempt]] = {"additive": fit_additive, "boosted": fit_boosted}


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
