"""Held-out evaluation of the task's estimator, and of the version in service on the same rows.

In folds: every row is predicted by a model that has not seen it. The only row of a class is learned from in all folds,
and predicted in none: no model that has not seen it knows of the class. Shared by the learnability and quality gates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from regraft_core.profile import Confidence, Scale
from regraft_inference.bundle import Bundle
from regraft_inference.estimators import Columns, Estimator, rows_of
from regraft_inference.estimators.targets import has_heavy_tail, has_usual_value, is_lopsided
from regraft_pipeline.data.profile import confidence_of
from regraft_pipeline.data.reasons import EXAMPLES, examples
from regraft_pipeline.tasks import Task

CLOSE = 0.05
"""Distance from the truth within which a prediction counts as right in ``within_0.05``."""

MANY_CLASSES = 20
"""Most classes of which each has its own recall among the metrics."""

_NAME = re.compile(r"[^\w .:/-]")
"""What a registry's metric cannot be named with."""

type Floats = NDArray[np.float64]


class UntrainableError(ValueError):
    """The task's estimator cannot be fitted to a part of the rows; the message is the estimator's."""


@dataclass(frozen=True)
class Evaluation:
    """Truth and predictions on the rows that were evaluated, in one order, with what was computed from them.

    ``probabilities`` are those of each of the ``classes``, of a classifier that gives any. ``scale`` says what skill
    means: ``linear``: 1 - absolute error / that of the median; ``squares``: R2, where one value is in more than half of
    the rows or the target is lopsided, and the median tells nothing; ``log``: R2 of log(1 + target); ``classes``: 2 ROC
    AUC - 1 where there are probabilities of two classes, else mean recall, rescaled so that guessing has 0.
    ``sureness`` is the probability of the class that is answered. ``frame`` holds the rows, for reasons to show some
    of them.
    """

    scale: Scale
    target: NDArray[Any]
    predicted: NDArray[Any]
    metrics: dict[str, float] = field(default_factory=dict)
    classes: tuple[Any, ...] = ()
    probabilities: Floats | None = None
    sureness: Floats | None = None
    incumbent_predicted: NDArray[Any] | None = None
    incumbent_probabilities: Floats | None = None
    incumbent_metrics: dict[str, float] = field(default_factory=dict)
    frame: pd.DataFrame | None = None
    few: Mapping[Any, int] = field(default_factory=dict)
    """Classes with fewer rows than two in each fold, and how many; of one row the class is not among ``classes``."""

    @property
    def skill(self) -> float:
        """How much better than a constant the model is: 1 always right, 0 no better, negative worse."""
        return self.metrics["skill"]

    @property
    def of_second(self) -> Floats | None:
        """The probabilities of the second of two classes, None where there are none, or other classes."""
        return _second(self.probabilities)

    def of_rows(self, rows: NDArray[np.bool_]) -> Evaluation:
        """Return the evaluation of a part of the rows, without their frame."""
        part = replace(
            self,
            target=self.target[rows],
            predicted=self.predicted[rows],
            probabilities=_part(self.probabilities, rows),
            sureness=_part(self.sureness, rows),
            incumbent_predicted=_part(self.incumbent_predicted, rows),
            incumbent_probabilities=_part(self.incumbent_probabilities, rows),
            frame=None,
        )
        return part.measured()

    def measured(self) -> Evaluation:
        """Return the evaluation with its metrics."""
        new = metrics_of(self.target, self.predicted, self.scale, self.probabilities, self.classes)
        if self.incumbent_predicted is None:
            return replace(self, metrics=new)
        known = self.incumbent_probabilities
        old = metrics_of(self.target, self.incumbent_predicted, self.scale, known, self.classes)
        return replace(self, metrics=new, incumbent_metrics=old)

    def confidence(self) -> Confidence | None:
        """Return how often it came true what the model was so sure of, None where it does not say how sure it is."""
        if self.of_second is not None:
            return confidence_of("second", self.of_second, self.target == self.target.max())
        if self.sureness is not None:
            return confidence_of("answered", self.sureness, self.target == self.predicted)
        return None

    def errors(self) -> Floats:
        """Return how wrong the new model is on each row: 0 right, larger worse."""
        if self.of_second is not None:
            return np.asarray(np.abs(self.of_second - (self.target == self.target.max())), dtype=np.float64)
        return self._errors_of(self.predicted)

    def incumbent_errors(self) -> Floats:
        """Return the same of the version in service, without its probabilities; zeros where there is none."""
        if self.incumbent_predicted is None:
            return np.zeros(len(self.target))
        return self._errors_of(self.incumbent_predicted)

    def worst(self, errors: Floats) -> list[dict[str, object]]:
        """Return the rows on which something is most wrong, and what the models say of them."""
        if self.frame is None:
            return []
        order = np.argsort(-errors, kind="stable")
        order = order[errors[order] > 0][:EXAMPLES]
        said: dict[str, Any] = {"predicted": self.predicted}
        if self.incumbent_predicted is not None:
            said["predicted_in_service"] = self.incumbent_predicted
        return examples(self.frame.iloc[order].assign(**{name: values[order] for name, values in said.items()}))

    def _errors_of(self, predicted: NDArray[Any]) -> Floats:
        if self.scale == "classes":
            return np.asarray(predicted != self.target, dtype=np.float64)
        truth, found = self.target.astype(np.float64), predicted.astype(np.float64)
        if self.scale == "log":
            truth, found = np.log1p(truth), np.log1p(np.maximum(found, 0))
        return np.asarray(np.abs(found - truth), dtype=np.float64)


def evaluate(
    frame: pd.DataFrame, task: Task, incumbent: Bundle | None = None, *, scale: Scale | None = None
) -> Evaluation:
    """Predict every row of a typed frame out of fold.

    At most ``evaluation_rows`` rows are looked at, drawn by the gates' seed; rows and folds depend on nothing else.
    ``scale`` is the reference's, so that figures which are compared are alike; without one it is that of this target.
    Numbers are learned on it, too.
    Needs at least as many rows as folds, and two different targets. Raises UntrainableError.
    """
    rng = np.random.default_rng(task.gates.seed)
    limit = task.gates.evaluation_rows
    if len(frame) > limit:
        frame = frame.iloc[np.sort(rng.choice(len(frame), limit, replace=False))]
    target = task.target_of(frame)
    if scale is None or (scale == "log" and target.min() < 0):
        scale = scale_of(target, task)
    predicted = np.empty(len(target), dtype=target.dtype)
    folds = folds_of(target, task.gates.folds, rng)
    few: dict[Any, int] = {}
    if scale == "classes":
        alone, few = _few(target, 2 * task.gates.folds)
        folds[alone] = -1
    scored = folds >= 0
    classes = tuple(np.unique(target[scored]).tolist()) if scale == "classes" else ()
    probabilities, sureness = np.empty((len(target), len(classes))), np.empty(len(target))
    for fold in range(task.gates.folds):
        held_out = folds == fold
        estimator = _fitted(task, frame[~held_out], target[~held_out], scale)
        columns = task.columns_of(frame[held_out])
        predicted[held_out] = estimator.predict(columns)
        found = _probabilities(estimator, columns, scale)
        probabilities[held_out], sureness[held_out] = _by_class(found, estimator, classes), found.max(axis=1)
    evaluation = Evaluation(
        scale,
        target[scored],
        predicted[scored],
        classes=classes,
        probabilities=_known(probabilities[scored]),
        sureness=_known(sureness[scored]),
        frame=frame[scored],
        few=few,
    )
    if incumbent is not None:
        evaluation = _beside(evaluation, incumbent, task.columns_of(frame[scored]))
    return evaluation.measured()


def _few(target: NDArray[Any], enough: int) -> tuple[NDArray[np.bool_], dict[Any, int]]:
    """Return which rows are the only ones of their class, and the classes of fewer rows than enough.

    Where fewer than two classes would be left to tell apart, no row counts as the only one.
    """
    classes, places, counts = np.unique(target, return_inverse=True, return_counts=True)
    alone = counts[places] == 1
    if (counts > 1).sum() < 2:
        alone[:] = False
    few = counts < enough
    return alone, dict(zip(classes[few].tolist(), counts[few].tolist(), strict=True))


def _fitted(task: Task, frame: pd.DataFrame, target: NDArray[Any], scale: Scale) -> Estimator:
    try:
        return task.estimator_on(scale).fit(task.columns_of(frame), target)
    except ValueError as error:  # as scikit-learn says that there are too few rows of a class
        raise UntrainableError(str(error)) from error


def _beside(evaluation: Evaluation, incumbent: Bundle, columns: Columns) -> Evaluation:
    predicted = np.asarray(incumbent.predict(columns))
    found = _probabilities(incumbent.estimator, columns, evaluation.scale)
    probabilities = _by_class(found, incumbent.estimator, evaluation.classes)
    return replace(evaluation, incumbent_predicted=predicted, incumbent_probabilities=_known(probabilities))


def _known(probabilities: Floats) -> Floats | None:
    return None if probabilities.size == 0 or np.isnan(probabilities).any() else probabilities


def _part(values: NDArray[Any] | None, rows: NDArray[np.bool_]) -> NDArray[Any] | None:
    return None if values is None else values[rows]


def _probabilities(estimator: Estimator, columns: Columns, scale: Scale) -> Floats:
    """Return the probability of each class, shape (rows, classes); one column of NaN where there are none."""
    give = getattr(estimator, "probabilities", None)
    if scale != "classes" or give is None:
        return np.full((rows_of(columns), 1), np.nan)
    return np.asarray(give(columns), dtype=np.float64)


def _by_class(probabilities: Floats, estimator: Any, classes: tuple[Any, ...]) -> Floats:
    """Return the probabilities of these classes, shape (rows, classes); NaN where they are not known.

    Of more than two, one that the estimator has not seen has none; of two, both must have been seen, and they are told
    apart from each other only.
    """
    found = np.full((len(probabilities), len(classes)), np.nan)
    if np.isnan(probabilities).all() or (len(classes) == 2 and probabilities.shape[1] < 2):
        return found
    if len(classes) == 2 == probabilities.shape[1]:
        return probabilities
    seen = list(estimator.classes)
    if len(classes) == 2:
        if not set(classes) <= set(seen):
            return found
        both = np.maximum(probabilities[:, [seen.index(one) for one in classes]], 1e-15)
        apart: Floats = both / both.sum(axis=1, keepdims=True)
        return apart
    found[:] = 0.0
    for place, one in enumerate(classes):
        if one in seen:
            found[:, place] = probabilities[:, seen.index(one)]
    return found


def _second(probabilities: Floats | None) -> Floats | None:
    """Return the probabilities of the second of two classes."""
    if probabilities is None or probabilities.shape[1] != 2:
        return None
    found: Floats = probabilities[:, 1]
    return found


def scale_of(target: NDArray[Any], task: Task) -> Scale:
    """Return what errors of this target are measured on."""
    if task.kind == "classification":
        return "classes"
    if has_heavy_tail(target):
        return "log"
    return "squares" if has_usual_value(target) or is_lopsided(target) else "linear"


def folds_of(target: NDArray[Any], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each row, 0 to ``number`` - 1, such that the target is distributed alike in all folds."""
    order = np.lexsort((rng.random(len(target)), np.unique(target, return_inverse=True)[1]))
    folds = np.empty(len(target), dtype=np.int64)
    folds[order] = np.arange(len(target)) % number
    return folds


def metrics_of(
    target: NDArray[Any],
    predicted: NDArray[Any],
    scale: Scale,
    probabilities: Floats | None = None,
    classes: tuple[Any, ...] = (),
) -> dict[str, float]:
    """Return the metrics of predictions; all are finite, better is higher but for errors and losses.

    ``probabilities`` of shape (rows, classes) are those of the ``classes``.
    """
    if scale == "classes":
        found = _classification(target, predicted, probabilities, classes)
    else:
        found = _regression(target.astype(np.float64), predicted.astype(np.float64), scale)
    return {name: round(float(value), 6) for name, value in found.items()}


def _regression(target: Floats, predicted: Floats, scale: Scale) -> dict[str, float]:
    error = np.abs(predicted - target)
    mae = error.mean()
    found = {"mae": mae, "rmse": np.sqrt(np.square(error).mean()), "within_0.05": (error <= CLOSE).mean()}
    if scale == "squares":
        skill = _skill(np.square(error).mean(), target.var())
    else:
        skill = _skill(mae, np.abs(target - np.median(target)).mean())
    if target.min() >= 0:
        logs = np.log1p(target)
        squared = np.square(np.log1p(np.maximum(predicted, 0)) - logs).mean()
        found["rmsle"] = np.sqrt(squared)
        skill = _skill(squared, logs.var()) if scale == "log" else skill
    return found | {"skill": skill}


def _skill(error: float, of_constant: float) -> float:
    """Return the share of the constant's error that is gone; none where the rows drawn have one target only."""
    return 1 - error / of_constant if of_constant else 0.0


def _classification(
    target: NDArray[Any], predicted: NDArray[Any], probabilities: Floats | None, known: tuple[Any, ...]
) -> dict[str, float]:
    classes = np.unique(target)
    recalls = [float((predicted[target == one] == one).mean()) for one in classes]
    recall = np.mean(recalls)
    found: dict[str, Any] = {
        "accuracy": (predicted == target).mean(),
        "recall": recall,
        "skill": _skill(1 - recall, 1 - 1 / len(classes)),
    }
    if MANY_CLASSES >= len(classes) > 2:
        found |= {f"recall_{_NAME.sub('_', str(one))}": value for one, value in zip(classes, recalls, strict=True)}
    if probabilities is None or len(classes) < 2:
        return found
    found["roc_auc"] = np.mean(_areas(target, probabilities, known))
    if (second := _second(probabilities)) is not None:
        positive = target == known[1]
        sure = np.clip(np.where(positive, second, 1 - second), 1e-15, 1.0)
        found |= {"skill": 2 * found["roc_auc"] - 1, "log_loss": -np.log(sure).mean()}
        found |= {"brier": np.square(second - positive).mean()}
    return found


def _areas(target: NDArray[Any], probabilities: Floats, classes: tuple[Any, ...]) -> list[float]:
    """Return the area under the ROC curve of each class against all others, of those that are there.

    Mann and Whitney: the share of pairs of which the one of the class has the larger probability, ties half.
    """
    ranks, rows, areas = rankdata(probabilities, axis=0), len(target), []
    for place, one in enumerate(classes):
        positive = target == one
        if 0 < (number := int(positive.sum())) < rows:
            pairs = ranks[positive, place].sum() - number * (number + 1) / 2
            areas.append(float(pairs / (number * (rows - number))))
    return areas
