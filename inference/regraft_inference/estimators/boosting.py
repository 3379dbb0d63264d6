"""How boosted models are trained. Nothing here is needed for serving."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from regraft_inference.estimators.held_out import (
    FEW_ROUNDS,
    FEW_ROWS,
    MOST_ADDITIVE_ROWS,
    SEED,
    Attempt,
    Table,
    folds_of,
    number_of_folds,
)
from regraft_inference.estimators.tree_shap import MOST_LEAVES
from regraft_inference.estimators.trees import TreesModel

WIDE_BINS = 63
"""Bins of each part, of more parts than that: looking through the bins is what takes the time of trees there."""


class Growth(NamedTuple):
    """How trees are grown. What suits a table suits its folds."""

    leaves: int
    """At most ``tree_shap.MOST_LEAVES``, so that reasons are looked up; more trees make up for it."""

    learning_rate: float
    most: int
    """Trees of all outputs together."""

    patience: int
    """Rounds without a gain on held-out rows after which there are enough; of small trees each gains little."""


FEW, SOME, MANY = Growth(6, 0.08, 400, 20), Growth(MOST_LEAVES, 0.1, 1200, 50), Growth(MOST_LEAVES, 0.2, 800, 50)
"""Of fewer than ``FEW_ROWS``; of up to ``MOST_ADDITIVE_ROWS``; of more, of which each tree takes its time."""


def fit_boosted(table: Table) -> Attempt:
    """Train trees; held-out rows tell how many are enough."""
    number, rows = number_of_folds(table), len(table.target)
    growth = FEW if rows < FEW_ROWS else SOME if rows <= MOST_ADDITIVE_ROWS else MANY
    if number < 2:
        model, _ = _fit_trees(table, FEW_ROUNDS, None, growth)
        return Attempt(model, np.zeros((0, table.outputs)), np.zeros(0))
    folds = folds_of(table, number)
    scores, targets, rounds = [], [], []
    enough = growth is MANY or (table.wide and growth is not FEW)
    for fold in range(1 if enough else number):
        inside, outside = table.rows(np.flatnonzero(folds != fold)), table.rows(np.flatnonzero(folds == fold))
        model, best = _fit_trees(inside, growth.most, outside, growth)
        rounds.append(best)
        scores.append(model.scores(outside.matrix))
        targets.append(outside.target)
    model, _ = _fit_trees(table, int(np.mean(rounds)), None, growth)
    return Attempt(model, np.concatenate(scores), np.concatenate(targets))


def _fit_trees(table: Table, rounds: int, held_out: Table | None, growth: Growth) -> tuple[TreesModel, int]:
    """Train up to so many trees, as many as are best for held-out rows."""
    import lightgbm  # noqa: PLC0415  (takes seconds)

    rows, outputs = len(table.target), table.outputs
    objective = "regression" if not table.classes else "binary" if table.classes <= 2 else "multiclass"
    settings: dict[str, Any] = {
        "objective": objective,
        "num_class": outputs,
        "learning_rate": growth.learning_rate,
        "num_leaves": growth.leaves,
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
    binned = {"max_bin": WIDE_BINS} if table.wide else {}
    data = lightgbm.Dataset(table.matrix, table.target, params=binned, free_raw_data=False)
    valid = [] if held_out is None else [lightgbm.Dataset(held_out.matrix, held_out.target, data, params=binned)]
    calls = (
        [lightgbm.early_stopping(growth.patience, verbose=False), lightgbm.record_evaluation(curve)] if valid else []
    )
    most = max(1, min(rounds, growth.most // outputs))
    booster = lightgbm.train(settings, data, most, valid_sets=valid, callbacks=calls, keep_training_booster=True)
    best = max(1, booster.best_iteration if valid else booster.current_iteration())
    text = booster.model_to_string(num_iteration=best).partition("end of trees")[0] + "end of trees\n"
    return TreesModel(text, parts=table.matrix.shape[1], outputs=outputs), best
