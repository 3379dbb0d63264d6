"""Learners of tables that one could take instead of ``auto``, with sensible settings, on the same numbers.

All get the matrix that our estimators get: dates and texts as numbers, categories as codes that are named as such.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from regraft_inference.estimators.encoding import Part
from tests.bench.tabular.real import PACKAGES

type Floats = NDArray[np.float64]
type Learner = Callable[[Floats, NDArray[Any], Floats, Sequence[Part], bool], Floats]
"""Learns from a matrix and a target, and returns what it says of another matrix: numbers, shape (rows,), or the
probabilities of the classes in ascending order, shape (rows, classes)."""

SEED = 0


def ebm(matrix: Floats, target: NDArray[Any], asked: Floats, parts: Sequence[Part], classes: bool) -> Floats:
    """interpret's explainable boosting machine with four bags of fourteen, else with its defaults."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor  # noqa: PLC0415

    kinds = ["continuous" if part.levels is None else "nominal" for part in parts]
    machine = ExplainableBoostingClassifier if classes else ExplainableBoostingRegressor
    return _fitted(
        machine(feature_types=kinds, outer_bags=4, n_jobs=1, random_state=SEED), matrix, target, asked, classes
    )


def lightgbm(matrix: Floats, target: NDArray[Any], asked: Floats, parts: Sequence[Part], classes: bool) -> Floats:
    """LightGBM with its defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415

    machine = LGBMClassifier if classes else LGBMRegressor
    model = machine(n_jobs=1, random_state=SEED, verbosity=-1)
    model.fit(matrix, target, categorical_feature=_codes(parts))
    return _said(model, asked, classes)


def catboost(matrix: Floats, target: NDArray[Any], asked: Floats, parts: Sequence[Part], classes: bool) -> Floats:
    """CatBoost with its defaults but 300 rounds, for which it chooses the learning rate."""
    rivals = str(PACKAGES.parent / "rivals")
    if rivals not in sys.path:
        sys.path.append(rivals)
    from catboost import CatBoostClassifier, CatBoostRegressor  # noqa: PLC0415  # none of Regraft's dependencies

    codes = _codes(parts)

    def table(values: Floats) -> list[list[Any]]:
        return [[str(one) if place in codes else one for place, one in enumerate(row)] for row in values.tolist()]

    machine = CatBoostClassifier if classes else CatBoostRegressor
    model = machine(iterations=300, thread_count=1, random_seed=SEED, verbose=False, allow_writing_files=False)
    model.fit(table(matrix), target, cat_features=codes)
    return _said(model, table(asked), classes)


def histogram_boosting(
    matrix: Floats, target: NDArray[Any], asked: Floats, parts: Sequence[Part], classes: bool
) -> Floats:
    """scikit-learn's histogram gradient boosting with its defaults."""
    machine = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    codes = [place for place in _codes(parts) if (parts[place].levels or 0) < 255]
    return _fitted(machine(categorical_features=codes, random_state=SEED), matrix, target, asked, classes)


def forest(matrix: Floats, target: NDArray[Any], asked: Floats, parts: Sequence[Part], classes: bool) -> Floats:
    """A random forest of 200 trees on one column for each category."""
    machine = RandomForestClassifier if classes else RandomForestRegressor
    model = make_pipeline(_spread(parts, scaled=False), machine(n_estimators=200, n_jobs=1, random_state=SEED))
    return _fitted(model, matrix, target, asked, classes)


def linear(matrix: Floats, target: NDArray[Any], asked: Floats, parts: Sequence[Part], classes: bool) -> Floats:
    """Ridge or logistic regression, its penalty by cross-validation, on scaled columns."""
    model = LogisticRegressionCV(Cs=5, cv=3, max_iter=500) if classes else RidgeCV(np.logspace(-3, 4, 15))
    return _fitted(make_pipeline(_spread(parts, scaled=True), model), matrix, target, asked, classes)


LEARNERS: dict[str, Learner] = {
    "EBM": ebm,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "histogram boosting": histogram_boosting,
    "random forest": forest,
    "linear": linear,
}


def _codes(parts: Sequence[Part]) -> list[int]:
    return [place for place, part in enumerate(parts) if part.levels is not None]


def _spread(parts: Sequence[Part], *, scaled: bool) -> ColumnTransformer:
    codes = _codes(parts)
    rest = [place for place in range(len(parts)) if place not in codes]
    steps: list[Any] = [SimpleImputer(strategy="median", keep_empty_features=True), *([StandardScaler()] * scaled)]
    return ColumnTransformer(
        [("rest", make_pipeline(*steps), rest), ("codes", OneHotEncoder(handle_unknown="ignore"), codes)],
        sparse_threshold=0,
    )


def _fitted(model: Any, matrix: Floats, target: NDArray[Any], asked: Floats, classes: bool) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(matrix, target)
        return _said(model, asked, classes)


def _said(model: Any, asked: Any, classes: bool) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Floats = np.asarray(model.predict_proba(asked) if classes else model.predict(asked), dtype=np.float64)
    return found
