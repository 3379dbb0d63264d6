from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from regraft_core.errors import BundleError
from regraft_inference.estimators import Columns, Estimator, estimator_class
from regraft_inference.estimators.sklearn import SklearnEstimator

FEATURES = ["age", "kind", "pressure"]
RNG = np.random.default_rng(0)
COLUMNS: Columns = {
    "pressure": RNG.normal(120, 10, 200),
    "age": RNG.integers(20, 80, 200),
    "kind": RNG.integers(0, 3, 200),
}
TARGET = (np.asarray(COLUMNS["age"]) > 50).astype(np.int64)


def preprocessing() -> ColumnTransformer:
    return ColumnTransformer([("numbers", StandardScaler(), [0, 2]), ("codes", OneHotEncoder(), [1])])


MODELS = {
    "logistic regression": make_pipeline(preprocessing(), LogisticRegression()),
    "calibrated, sigmoid": CalibratedClassifierCV(make_pipeline(preprocessing(), LogisticRegression()), cv=2),
    "calibrated, isotonic": CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=5), method="isotonic", cv=2),
    "calibrated, temperature": CalibratedClassifierCV(LogisticRegression(max_iter=500), method="temperature", cv=2),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=5),
    "voting": VotingClassifier([("a", GradientBoostingClassifier(n_estimators=3))], voting="soft"),
}


def fitted(model: BaseEstimator) -> SklearnEstimator:
    return SklearnEstimator(model, FEATURES, integer=True).fit(COLUMNS, TARGET)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_classifier_answers_the_same(name: str, tmp_path: Path) -> None:
    estimator = fitted(MODELS[name])
    estimator.save(tmp_path)
    loaded = SklearnEstimator.load(tmp_path)
    answers = loaded.predict(COLUMNS)
    assert answers.dtype == np.int64
    assert answers.tolist() == estimator.predict(COLUMNS).tolist()
    assert loaded.probabilities(COLUMNS).tolist() == estimator.probabilities(COLUMNS).tolist()
    assert np.mean(answers == TARGET) > 0.9


def test_a_saved_regression_answers_the_same(tmp_path: Path) -> None:
    estimator = SklearnEstimator(RandomForestRegressor(5, random_state=0), FEATURES, integer=False)
    estimator.fit(COLUMNS, TARGET * 2.5).save(tmp_path)
    answers = SklearnEstimator.load(tmp_path).predict(COLUMNS)
    assert answers.dtype == np.float64
    assert answers.tolist() == estimator.predict(COLUMNS).tolist()


def test_the_columns_are_taken_by_name() -> None:
    estimator = fitted(MODELS["logistic regression"])
    turned = {name: COLUMNS[name] for name in reversed(FEATURES)}
    assert estimator.predict(turned).tolist() == estimator.predict(COLUMNS).tolist()


def test_strings_can_stand_beside_numbers(tmp_path: Path) -> None:
    words = ["red apple", "green pear"] * 50
    columns: Columns = {"text": words, "weight": np.arange(100.0)}
    text = ColumnTransformer([("text", TfidfVectorizer(), 0), ("weight", "passthrough", [1])])
    estimator = SklearnEstimator(make_pipeline(text, Ridge()), ["text", "weight"], integer=True)
    estimator.fit(columns, np.array([0, 100] * 50)).save(tmp_path)
    assert SklearnEstimator.load(tmp_path).predict(columns)[:2].tolist() == pytest.approx([0, 100], abs=5)


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fitted(MODELS["calibrated, sigmoid"]).save(tmp_path / name)
    assert (tmp_path / "one/model.skops").read_bytes() == (tmp_path / "two/model.skops").read_bytes()


def test_a_function_of_ones_own_is_refused_when_it_is_saved(tmp_path: Path) -> None:
    model = FunctionTransformer(json.dumps)
    with pytest.raises(BundleError, match="json") as caught:
        SklearnEstimator(model, FEATURES, integer=True).save(tmp_path)
    assert caught.value.code == "estimator_untrusted"
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_is_not_on_the_list_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    fitted(MODELS["logistic regression"]).save(tmp_path)
    skops.io.dump(FunctionTransformer(json.dumps), tmp_path / "model.skops")
    with pytest.raises(BundleError, match="json") as caught:
        SklearnEstimator.load(tmp_path)
    assert caught.value.code == "estimator_untrusted"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"neither archive nor pickle"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    fitted(MODELS["logistic regression"]).save(tmp_path)
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(BundleError) as caught:
        SklearnEstimator.load(tmp_path)
    assert caught.value.code == "estimator_damaged"


def test_the_estimator_is_installed_under_its_name() -> None:
    estimator = fitted(LogisticRegression(C=0.5, max_iter=500))
    assert estimator_class("sklearn") is SklearnEstimator
    assert isinstance(estimator, Estimator)
    assert estimator.parameters()["model"] == "LogisticRegression"
    assert estimator.parameters()["C"] == 0.5
