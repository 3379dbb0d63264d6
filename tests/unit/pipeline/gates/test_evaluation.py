from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from regraft_inference.bundle import Bundle
from regraft_pipeline.gates.evaluation import evaluate, folds_of, metrics_of, scale_of
from regraft_pipeline.tasks import GateSettings, heart_disease, passwords

ZEROS_AND_ONES = np.array([0.0, 0.0, 1.0, 1.0])


def test_regression_is_measured_against_the_median() -> None:
    found = metrics_of(ZEROS_AND_ONES, np.array([0.0, 0.04, 1.0, 0.5]), "linear")
    assert found["mae"] == pytest.approx(0.135)
    assert found["within_0.05"] == 0.75
    assert found["skill"] == pytest.approx(1 - 0.135 / 0.5)
    assert metrics_of(ZEROS_AND_ONES, ZEROS_AND_ONES, "linear")["skill"] == 1
    assert metrics_of(ZEROS_AND_ONES, 1 - ZEROS_AND_ONES, "linear")["skill"] == -1


def test_heavy_tails_are_measured_by_logarithms() -> None:
    target = np.array([0.0, 1.0, 1.0, 5000.0])
    assert metrics_of(target, target, "log")["skill"] == 1
    constant = np.full(4, np.expm1(np.log1p(target).mean()))
    assert metrics_of(target, constant, "log")["skill"] == pytest.approx(0, abs=1e-6)


def test_targets_below_zero_have_no_logarithmic_error() -> None:
    assert "rmsle" not in metrics_of(ZEROS_AND_ONES - 1, ZEROS_AND_ONES, "linear")


def test_classes_are_measured_by_recall_and_with_probabilities_by_ranking() -> None:
    target = np.array([0, 0, 0, 1])
    assert metrics_of(target, np.zeros(4, dtype=int), "classes") == {"accuracy": 0.75, "recall": 0.5, "skill": 0}
    second = np.array([0.1, 0.2, 0.6, 0.4])
    found = metrics_of(target, target, "classes", np.stack([1 - second, second], axis=1), (0, 1))
    assert found["roc_auc"] == pytest.approx(2 / 3)
    assert found["skill"] == pytest.approx(1 / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.36) / 4)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4]).mean())


def test_more_than_two_classes_have_a_recall_each() -> None:
    target = np.array(["Adelie", "Adelie", "Chin%strap", "Gentoo"], dtype=object)
    predicted = np.array(["Adelie", "Gentoo", "Chin%strap", "Adelie"], dtype=object)
    found = metrics_of(target, predicted, "classes")
    assert found["recall"] == 0.5
    assert (found["recall_Adelie"], found["recall_Chin_strap"], found["recall_Gentoo"]) == (0.5, 1, 0)


def test_the_area_of_more_than_two_classes_is_the_mean_of_each_against_the_rest() -> None:
    rng = np.random.default_rng(3)
    classes = ("a", "b", "c")
    target = rng.choice(np.array(classes, dtype=object), 300, p=[0.6, 0.3, 0.1])
    probabilities = rng.dirichlet([1, 1, 1], 300).round(1)  # with ties
    each = [roc_auc_score(target == one, probabilities[:, place]) for place, one in enumerate(classes)]
    found = metrics_of(target, target, "classes", probabilities, classes)
    assert found["roc_auc"] == pytest.approx(np.mean(each), abs=1e-6)
    assert found["skill"] == 1  # of the answers
    some = target != "c"  # a class that is not there says nothing
    part = metrics_of(target[some], target[some], "classes", probabilities[some], classes)
    each = [roc_auc_score(target[some] == one, probabilities[some, place]) for place, one in enumerate("ab")]
    assert part["roc_auc"] == pytest.approx(np.mean(each), abs=1e-6)


def test_the_scale_follows_the_target() -> None:
    rng = np.random.default_rng(0)
    assert scale_of(rng.random(100), passwords.TASK) == "linear"
    assert scale_of(np.floor(rng.pareto(0.8, 5000)), passwords.TASK) == "log"
    assert scale_of(-np.floor(rng.pareto(0.8, 5000)), passwords.TASK) == "squares"  # no logarithm is of these
    assert scale_of(ZEROS_AND_ONES, passwords.TASK) == "linear"
    assert scale_of(rng.poisson(0.5, 100), passwords.TASK) == "squares"


def test_counts_of_which_most_are_small_are_measured_by_squares() -> None:
    rng = np.random.default_rng(1)
    visits = rng.negative_binomial(0.7, 0.2, 1000).astype(float)
    assert scale_of(visits, passwords.TASK) == "squares"
    assert metrics_of(visits, np.full(1000, visits.mean()), "linear")["skill"] < -0.05
    assert metrics_of(visits, np.full(1000, visits.mean()), "squares")["skill"] == 0
    assert scale_of(rng.normal(size=100), passwords.TASK) == "linear"
    assert scale_of(rng.gamma(9, size=100), passwords.TASK) == "linear"


def test_who_knows_the_mean_of_what_is_mostly_one_value_has_skill() -> None:
    """The absolute error of the median is the least there is, though it knows nothing."""
    expected = np.random.default_rng(1).uniform(0, 1, 2000)
    target = np.random.default_rng(2).poisson(expected).astype(float)
    assert metrics_of(target, expected, "linear")["skill"] < 0 < metrics_of(target, expected, "squares")["skill"]
    assert metrics_of(target, np.full(2000, target.mean()), "squares")["skill"] == pytest.approx(0, abs=1e-6)
    assert scale_of(ZEROS_AND_ONES, heart_disease.TASK) == "classes"


def test_folds_have_the_same_distribution_of_the_target() -> None:
    target = np.repeat([0.0, 1.0], [240, 60])
    folds = folds_of(target, 5, np.random.default_rng(0))
    assert [target[folds == fold].sum() for fold in range(5)] == [12] * 5


def test_an_evaluation_is_repeatable_and_looks_at_some_of_the_rows(incumbent: Bundle) -> None:
    task = replace(passwords.TASK, gates=GateSettings(evaluation_rows=150))
    frame = passwords.generate(2, 400)
    one, two = evaluate(frame, task, incumbent), evaluate(frame, task, incumbent)
    assert len(one.target) == 150
    assert np.array_equal(one.predicted, two.predicted)
    assert one.metrics == two.metrics
    assert one.incumbent_metrics.keys() == one.metrics.keys()


def test_a_classifier_gives_probabilities_and_so_does_the_version_in_service(heart_incumbent: Bundle) -> None:
    found = evaluate(heart_disease.generate(5, 190), heart_disease.TASK, heart_incumbent)
    assert found.probabilities is not None
    assert found.probabilities.shape == (190, 2)
    assert found.of_second is not None
    assert found.of_second.shape == (190,)
    assert found.metrics["roc_auc"] > 0.75
    assert found.incumbent_metrics["roc_auc"] > 0.75
