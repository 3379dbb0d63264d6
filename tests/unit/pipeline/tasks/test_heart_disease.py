import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from regraft_inference.estimators.tabular import AutoEstimator
from regraft_pipeline.tasks.heart_disease import CONTRACT, TASK, auc_limit, bootstrap, generate, risk


def test_the_columns_are_those_of_the_cleveland_data() -> None:
    names = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal"
    assert CONTRACT.feature_names == names.split()
    assert CONTRACT.target.name == "condition"


def test_generated_patients_look_like_those_of_the_study() -> None:
    frame = generate(1, 20_000)
    assert frame["condition"].mean() == pytest.approx(0.46, abs=0.02)
    assert frame["age"].mean() == pytest.approx(54.4, abs=0.5)
    assert frame["age"].corr(frame["thalach"]) < -0.3
    for column in CONTRACT.features:
        if column.categories is not None:
            assert set(frame[column.name]) == set(column.categories)


def test_the_estimator_comes_close_to_what_is_possible_and_is_calibrated() -> None:
    estimator, unseen = TASK.estimator(), generate(99, 20_000)
    estimator.fit(TASK.columns_of(frame := bootstrap()), TASK.target_of(frame))
    assert isinstance(estimator, AutoEstimator)
    probability = estimator.probabilities(TASK.columns_of(unseen))[:, 1]
    assert roc_auc_score(unseen["condition"], probability) > auc_limit(99, 20_000) - 0.01
    assert np.abs(probability - risk(unseen)).mean() < 0.08
    deciles = np.digitize(probability, np.arange(0.1, 1.0, 0.1))
    gaps = [abs((probability - unseen["condition"])[deciles == one].sum()) for one in range(10)]
    assert sum(gaps) / len(unseen) < 0.05
