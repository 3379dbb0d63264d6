from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regraft_inference.bundle import Bundle
from regraft_pipeline.gates import Evaluation, Profile, learnability, profile_of, quality
from regraft_pipeline.gates.chance import standard_error
from regraft_pipeline.gates.evaluation import Floats
from regraft_pipeline.tasks import GateSettings, heart_disease, passwords

TARGET = np.repeat([0.0, 1.0], 100)


def evaluation(skill: float, incumbent: float = 0.0, rows: int = 20_000) -> Evaluation:
    """Return the evaluation of two models of these skills, on as many rows of either half."""
    target = np.tile([0.0, 1.0], rows // 2)
    predicted, served = (np.abs(target - wrong(rows, one)) for one in (skill, incumbent))
    return Evaluation("linear", target, predicted, incumbent_predicted=served).measured()


def wrong(rows: int, skill: float) -> Floats:
    """Return 1 for the rows, evenly spread, on which a model of this skill takes one half for the other."""
    share = (1 - skill) / 2
    return np.diff(np.floor(share * np.arange(rows + 1)))


@pytest.mark.parametrize(
    ("skill", "served", "codes"),
    [
        (0.90, 0.94, ["skill_lost"]),
        (0.90, 0.97, ["worse_than_incumbent"]),
        (0.93, 1.00, []),
        (0.90, 0.00, ["skill_lost"]),
        (0.90, -0.50, ["relation_changed"]),
    ],
)
def test_the_version_in_service_is_given_no_more_credit_than_it_earned_on_unseen_rows(
    incumbent: Bundle, skill: float, served: float, codes: list[str]
) -> None:
    assert incumbent.info.metrics["skill"] == pytest.approx(0.97, abs=0.02)
    found = quality.check(evaluation(skill, served), passwords.TASK, incumbent)
    assert [reason.code for reason in found] == codes


def test_a_reason_says_by_how_much_the_new_model_is_worse(incumbent: Bundle) -> None:
    reason = quality.check(evaluation(0.5, 0.9), passwords.TASK, incumbent)[0]
    chance = reason.figures["chance"]
    assert isinstance(chance, float)
    assert 0 < chance < 0.03
    allowed = 0.05 + chance
    assert f"worse by 0.400, at most {allowed:.3f} is allowed (0.05, and {chance:.3f} for chance)" in reason.message
    assert reason.remedy.startswith(f"skill of at least {0.9 - allowed:.3f}")


def test_of_few_rows_a_difference_may_be_chance(incumbent: Bundle) -> None:
    few, many = (quality.check(evaluation(0.80, 0.90, rows), passwords.TASK, incumbent) for rows in (100, 20_000))
    assert few == []
    assert [reason.code for reason in many] == ["worse_than_incumbent"]


@pytest.mark.parametrize(
    ("skill", "served", "codes"),
    [
        (0.60, 0.62, ["skill_lost"]),
        (0.94, 0.95, []),
        (0.60, 0.95, []),  # the labels are right: the version in service knows them
        (0.60, 0.00, []),  # another kind of rows, of which few teach little
    ],
)
def test_few_rows_on_which_both_models_do_badly_have_wrong_labels(
    incumbent: Bundle, skill: float, served: float, codes: list[str]
) -> None:
    settings = GateSettings(quality_margin=0.05, quality_errors=2.5)
    task = replace(passwords.TASK, gates=settings)
    found = quality.check(evaluation(skill, served, rows=80), task, incumbent)
    assert [reason.code for reason in found if reason.severity == "warning"] == codes


def test_models_that_rank_alike_are_no_worse_than_each_other_whichever_rare_class_they_answer(
    heart_incumbent: Bundle,
) -> None:
    """Which of two classes is answered that are about as probable says little, and much of a mean recall."""
    rng = np.random.default_rng(5)
    classes = ("rain", "snow", "sun")
    target = rng.choice(np.array(classes, dtype=object), 700, p=[0.45, 0.05, 0.5])
    truth = np.stack([target == one for one in classes], axis=1)
    ranked = truth + rng.normal(0, 0.5, truth.shape)
    probabilities = np.exp(ranked) / np.exp(ranked).sum(axis=1, keepdims=True)
    shy = probabilities * [1, 0.2, 1]  # hardly ever answers snow
    one, other = (np.array(classes, dtype=object)[chances.argmax(axis=1)] for chances in (shy, probabilities))
    found = Evaluation(
        "classes", target, one, classes=classes, probabilities=shy, incumbent_predicted=other,
        incumbent_probabilities=probabilities,
    ).measured()  # fmt: skip
    assert found.incumbent_metrics["skill"] - found.skill > 0.2
    assert quality.check(found, heart_disease.TASK, heart_incumbent) == []
    blind = replace(found, predicted=rng.permutation(one), probabilities=rng.permutation(shy)).measured()
    *_, reason = quality.check(blind, heart_disease.TASK, heart_incumbent)
    assert reason.message.startswith("the new model has skill (2 ROC AUC - 1) ")


def test_a_class_that_is_never_told_right_is_warned_of_with_its_rows() -> None:
    target = np.array(["rain"] * 50 + ["snow"] * 8 + ["sun"] * 40 + ["hail"] * 3, dtype=object)
    predicted = np.where(np.isin(target, ["snow", "hail"]), "sun", target)
    frame = pd.DataFrame({"day": np.arange(len(target)), "weather": target})
    found = Evaluation(
        "classes", target, predicted, classes=("hail", "rain", "snow", "sun"), few={"hail": 3}, frame=frame
    ).measured()  # fmt: skip
    (reason,) = quality.check(found, heart_disease.TASK, None)
    assert (reason.code, reason.severity, reason.column) == ("class_never_right", "warning", "condition")
    assert reason.message == "classes of which the new model gets no held-out row right: 'snow' (0 of 8 rows)"
    assert {row["weather"] for row in reason.rows} == {"snow"}
    predicted[50] = "snow"
    assert quality.check(replace(found, predicted=predicted).measured(), heart_disease.TASK, None) == []
    assert quality.check(evaluation(-1.0), passwords.TASK, None) == []  # numbers have no classes


def test_the_standard_error_is_that_of_the_textbook_where_there_is_one() -> None:
    random = np.random.default_rng(0)
    target = random.normal(size=2000)
    found = Evaluation("linear", target, target).measured()
    error = standard_error(found, lambda part: float(part.target.mean()), seed=1)
    assert error == pytest.approx(target.std() / np.sqrt(len(target)), rel=0.4)


def test_the_floor_of_a_classifier_is_for_its_ranking() -> None:
    task = replace(passwords.TASK, gates=GateSettings(quality_floor=0.8))
    ranked = Evaluation("classes", TARGET, TARGET, {"roc_auc": 0.75, "skill": 0.5})
    assert quality.check(ranked, task, None)[0].figures["metric"] == "roc_auc"
    assert quality.check(evaluation(0.81), task, None) == []


def test_learnability_asks_for_half_of_the_reference_and_for_a_minimum(reference: Profile) -> None:
    task = passwords.TASK
    assert learnability.check(evaluation(0.5), task, reference) == []
    assert learnability.check(evaluation(0.4), task, reference)[0].figures["reference_skill"] == reference.skill
    assert learnability.check(evaluation(0.11), task, None) == []
    reason = learnability.check(evaluation(0.09), task, None)[0]
    assert reason.figures["limit"] == 0.1
    assert reason.message.endswith("there is no reference")


def test_of_few_rows_less_skill_is_asked() -> None:
    def limit(rows: int) -> float:
        target = np.repeat([0, 1], rows // 2)
        found = Evaluation("classes", target, target, {"roc_auc": 0.5, "skill": 0.0})
        return float(learnability.check(found, heart_disease.TASK, known)[0].figures["limit"] or 0)

    known = profile_of(heart_disease.bootstrap(), heart_disease.TASK, data_sha256="0" * 64, skill=0.8)
    assert limit(60) == 0.1
    assert limit(100) == pytest.approx(0.8 * 0.35)
    assert limit(200) == limit(100_000) == pytest.approx(0.8 * 0.65)
