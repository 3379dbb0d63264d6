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

from regraft_inference.estimators.additive import AdditiveModel, Term
from regraft_inference.estimators.boosting import fit_boosted
from regraft_inference.estimators.calibration import line_of, losses_of
from regraft_inference.estimators.encoding import Part
from regraft_inference.estimators.held_out import (
    FEW_ROUNDS,
    FEW_ROWS,
    MOST_ADDITIVE_ROWS,
    SEED,
    Attempt,
    Floats,
    Model,
    Table,
    folds_of,
    number_of_folds,
)
from regraft_inference.estimators.lines import Lines, lines_of

type Kind = Literal["additive", "boosted"]

MOST_ROWS_ALONE = 100_000
"""Of more rows the additive model, where nothing else is wanted, learns from so many."""

ROWS_FOR_PAIRS = 200
"""Of fewer rows, pairs of parts tell chance."""

PARTS_FOR_PAIRS = 100
"""Of more parts the pairs are too many to look through."""

MOST_UPDATES = 15_000
"""Of all parts of all machines together, of about .15 ms each: bounds the time that few rows of many parts take."""


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
    if (len(table.target) > MOST_ADDITIVE_ROWS or table.wide) and "boosted" in kinds:
        kinds = ("boosted",)
    tried = [_calibrated(TRAINERS[kind](table), table.classes) for kind in kinds]
    best, losses = tried[0]
    for other, other_losses in tried[1:]:
        if _clearly_less(other_losses, losses):
            best, losses = other, other_losses
    return replace(best, losses={name: loss for one, _ in tried for name, loss in one.losses.items()})


def _clearly_less(losses: Floats, others: Floats, errors: float = 1.0) -> bool:
    """Whether losses are less than others on the same rows, by over so many standard errors of the difference."""
    gain = others - losses
    return bool(gain.mean() > errors * gain.std() / np.sqrt(len(gain)))


def _calibrated(attempt: Attempt, classes: int) -> tuple[Trained, Floats]:
    """Return a model with the line that makes its held-out scores fit best, and the loss of each held-out row.

    A class of which no row was held out keeps its scores as they are, and the others are measured among themselves.
    """
    model, scores, target = attempt.model, attempt.scores, attempt.target
    offsets = np.zeros(scores.shape[1])
    held = np.unique(target)
    if not len(target) or (classes and len(held) < 2):
        return Trained(model, 1.0, offsets, {}), np.zeros(1)
    outputs: Any = slice(None)
    if len(held) < classes:
        outputs, target, classes = held.astype(np.int64), np.searchsorted(held, target).astype(np.float64), len(held)
    among = scores[:, outputs]
    if classes == 2 < scores.shape[1]:
        among = among[:, 1:] - among[:, :1]
        outputs = outputs[1:]
    slope, offsets[outputs] = line_of(among, target, classes)
    losses = losses_of(offsets[outputs] + slope * among, target, classes)
    return Trained(model, slope, offsets, {model.kind: float(losses.mean())}), losses


def fit_additive(table: Table) -> Attempt:
    """Train explainable boosting machines that start from straight lines, and take their tables of scores out of them.

    The model is the mean of a few machines. Each stops early by the fold of the rows that it is not trained on, so that
    every row is held out of one.
    """
    if len(table.target) > MOST_ROWS_ALONE:
        places = np.random.default_rng(SEED).choice(len(table.target), MOST_ROWS_ALONE, replace=False)
        table = table.rows(np.sort(places))
    number, parts = number_of_folds(table), _varying(table)
    if number < 2:
        alone, _ = _fit_machine(table, parts, np.ones(len(table.target), dtype=np.bool_), machines=1)
        return Attempt(alone, np.zeros((0, table.outputs)), np.zeros(0))
    folds = folds_of(table, number)
    rows = [np.flatnonzero(folds == fold) for fold in range(number)]
    pairs = [_fit_machine(table, parts, folds != fold, machines=number) for fold in range(number)]
    target = table.target[np.concatenate(rows)]
    attempts, losses = [], []
    for models in zip(*pairs, strict=True):
        held = zip(models, rows, strict=True)
        scores = np.concatenate([model.scores(table.matrix[outside]) for model, outside in held])
        attempts.append(Attempt(mean_of(models), scores, target))
        losses.append(losses_of(scores, target, table.classes))
    bent, straight = attempts
    # Two: what is bent has stopped by these very rows, and so looks better on them than it is.
    return bent if _clearly_less(losses[0], losses[1], errors=2.0) else straight


def _fit_machine(
    table: Table, parts: dict[int, Part], inside: NDArray[np.bool_], machines: int
) -> tuple[AdditiveModel, AdditiveModel]:
    """Train one of so many machines on the rows inside, as long as it does better on the others, where there are any.

    Returns the lines as the machine has bent them, and the lines as they were. All machines have the same bins: those
    of all rows, whatever their targets.
    """
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor  # noqa: PLC0415

    rounds = max(FEW_ROUNDS, min(500, MOST_UPDATES // (max(len(parts), 1) * machines)))
    few = len(table.target) < FEW_ROWS
    pairs = table.outputs == 1 and len(table.target) >= ROWS_FOR_PAIRS and len(parts) <= PARTS_FOR_PAIRS
    settings: dict[str, Any] = {
        "feature_types": ["continuous" if part.levels is None else "nominal" for part in parts.values()] or None,
        "outer_bags": 1,
        "interactions": 3 if pairs else 0,
        "learning_rate": 0.1 if few else min(0.15, max(0.05, 12.5 / rounds)),
        "smoothing_rounds": 5 if few else 20,
        "interaction_smoothing_rounds": 10,
        "early_stopping_rounds": 10 if few else 20,
        "max_rounds": FEW_ROUNDS if inside.all() else rounds,
        "max_bins": 256,
        "n_jobs": 1,
        "random_state": SEED,
    }
    machine = (ExplainableBoostingClassifier if table.classes else ExplainableBoostingRegressor)(**settings)
    target = table.target.astype(np.int64) if table.classes else table.target
    matrix = table.matrix[:, list(parts)] if parts else np.zeros((len(target), 1))
    lines = _best_lines(table, parts, inside)
    start = None if lines is None else lines.scores(table.matrix)
    start = start[:, 0] if start is not None and table.outputs == 1 else start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine.fit(matrix, target, bags=np.where(inside, 1, -1).astype(np.int8)[:, None], init_score=start)
    model = additive_model(machine, parts)
    lines = lines or Lines({}, {}, _constant(table.rows(np.flatnonzero(inside))))
    flat = [replace(term, scores=np.zeros_like(term.scores)) for term in model.terms if len(term.parts) == 1]
    straight = _with_lines(AdditiveModel(np.zeros(table.outputs), flat), lines, table.matrix)
    return model if start is None else _with_lines(model, lines, table.matrix), straight


def _best_lines(table: Table, parts: dict[int, Part], inside: NDArray[np.bool_]) -> Lines | None:
    """Return the lines of the rows inside that do best on the others; none where a constant does better."""
    if inside.all():
        return None
    outside = table.rows(np.flatnonzero(~inside))
    one = table.rows(np.flatnonzero(inside))
    found: list[Lines] = lines_of(one.matrix, one.target, parts, table.classes)
    if not found:
        return None
    losses = [losses_of(lines.scores(outside.matrix), outside.target, table.classes).mean() for lines in found]
    best = int(np.argmin(losses))
    constant = losses_of(np.tile(_constant(one), (len(outside.target), 1)), outside.target, table.classes).mean()
    return found[best] if losses[best] < constant else None


def _constant(table: Table) -> Floats:
    """Return the scores of a model that knows nothing of the inputs, shape (outputs,)."""
    if not table.classes:
        return np.array([table.target.mean()])
    counts = np.bincount(table.target.astype(np.int64), minlength=table.classes)
    logs = np.log(np.maximum(counts, 1) / counts.sum())
    return logs if table.outputs > 1 else logs[1:] - logs[:1]


def _with_lines(model: AdditiveModel, lines: Lines, matrix: Floats) -> AdditiveModel:
    """Return the model with what the lines add in each bin, at the mean of the rows that fall into it."""
    terms = []
    for term in model.terms:
        if len(term.parts) > 1:
            terms.append(term)
            continue
        place, cuts = term.parts[0], term.cuts[0]
        values = matrix[:, place][~np.isnan(matrix[:, place])]
        bins = np.searchsorted(cuts, values, side="right")
        counts = np.bincount(bins, minlength=len(cuts) + 1)
        middles = np.bincount(bins, values, minlength=len(cuts) + 1) / np.maximum(counts, 1)
        middles[counts == 0] = np.nan
        added = lines.of_values(place, np.array([np.nan, *middles]))
        terms.append(replace(term, scores=term.scores + added))
    return AdditiveModel(model.intercept + lines.intercept, terms)


def mean_of(models: Sequence[AdditiveModel]) -> AdditiveModel:
    """Return the mean of models whose terms of the same parts have the same cuts."""
    found: dict[tuple[int, ...], Term] = {}
    for model in models:
        for term in model.terms:
            scores = term.scores / len(models)
            known = found.get(term.parts)
            found[term.parts] = replace(term, scores=scores if known is None else known.scores + scores)
    return AdditiveModel(np.mean([model.intercept for model in models], axis=0), list(found.values()))


def _varying(table: Table) -> dict[int, Part]:
    """Return the parts by their places, without those that are the same in all rows, which tell nothing."""
    matrix = table.matrix
    same = (matrix == matrix[0]) | (np.isnan(matrix) & np.isnan(matrix[0]))
    return {int(place): table.parts[place] for place in np.flatnonzero(~same.all(axis=0))}


def additive_model(machine: Any, parts: dict[int, Part]) -> AdditiveModel:
    """Return a machine of these parts as plain arrays."""
    terms = [
        _term(machine, list(parts.items()), places, scores)
        for places, scores in zip(machine.term_features_, machine.term_scores_, strict=True)
        if parts
    ]
    return AdditiveModel(np.atleast_1d(np.asarray(machine.intercept_, dtype=np.float64)), terms)


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


TRAINERS: dict[Kind, Callable[[Table], Attempt]] = {"additive": fit_additive, "boosted": fit_boosted}
