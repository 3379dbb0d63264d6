from dataclasses import replace

import numpy as np
import pytest

from regraft.inference.bundle import Bundle
from regraft.pipeline.gates import Evaluation, Profile, learnability, profile_of, quality
from regraft.pipeline.tasks import GateSettings, heart_disease, passwords

TARGET = np.repeat([0.0, 1.0], 100)


def evaluation(skill: float, incumbent: float = 0.0) -> Evaluation:
    return Evaluation("linear", TARGET, TARGET, {"skill": skill}, incumbent_metrics={"skill": incumbent})


@pytest.mark.parametrize(
    ("skill", "served", "codes"),
    [
        (0.90, 0.94, []),
        (0.90, 0.96, ["worse_than_incumbent"]),
        (0.93, 1.00, []),
        (0.90, 0.00, []),
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
    assert "worse by 0.400, at most 0.05 is allowed" in reason.message
    assert reason.remedy.startswith("skill of at least 0.850")


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
