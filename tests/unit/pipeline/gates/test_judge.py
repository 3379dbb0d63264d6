"""What the gates say together: of good and bad datasets, with a reference and with a version in service."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft_core.verdict import Verdict
from regraft_inference.bundle import Bundle
from regraft_pipeline import gates
from regraft_pipeline.gates import Judgement, Profile, profile_of
from regraft_pipeline.tasks import GateSettings, Task, heart_disease, passwords
from tests.unit.pipeline.judged import bundle_of

type Judge = Callable[..., Verdict]


@pytest.fixture
def judge(write: Callable[[pd.DataFrame | str | bytes], Path], reference: Profile) -> Judge:
    """Return what judges a frame of passwords."""

    def verdict_on(frame: pd.DataFrame, incumbent: Bundle | None = None, task: Task = passwords.TASK) -> Verdict:
        return gates.judge(write(frame), task, reference=reference, incumbent=incumbent).verdict

    return verdict_on


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.errors]


def warnings(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons if reason.severity == "warning"]


def inverted(frame: pd.DataFrame, share: float = 1.0) -> pd.DataFrame:
    turned = np.random.default_rng(0).random(len(frame)) < share
    return frame.assign(Times=np.where(turned, 1 - frame["Times"], frame["Times"]))


def test_the_real_case(judge: Judge, incumbent: Bundle) -> None:
    good = passwords.generate(5)
    ones = good.index[good["Times"] == 1]
    bad = good.assign(Times=good["Times"].where(~good.index.isin(ones[:300]), 0.0))
    assert codes(judge(good)) == codes(judge(good, incumbent)) == []
    for served in (None, incumbent):
        verdict = judge(bad, served)
        assert codes(verdict)[0] == "target_drift"
        assert "Times 0 has 80.0% instead of 50.0%" in verdict.summary()


@pytest.mark.parametrize("rows", [100, 300, 1000])
def test_good_sets_pass_with_the_same_and_with_new_alphabets(judge: Judge, incumbent: Bundle, rows: int) -> None:
    for seed in range(5):
        verdict = judge(passwords.generate(seed, rows), incumbent)
        assert codes(verdict) == []
        assert verdict.usable_rows == rows


def test_labels_that_carry_nothing_are_refused(judge: Judge) -> None:
    good = passwords.generate(5)
    rng = np.random.default_rng(1)
    for bad in (
        good.assign(Times=rng.permutation(good["Times"])),
        good.assign(Password=["".join(rng.choice(list("abcdefghij"), 9)) for _ in range(1000)]),
        inverted(good, 0.5),
        inverted(good, 0.3),
    ):
        verdict = judge(bad)
        assert codes(verdict) == ["not_learnable"]
        assert all(row["predicted"] != row["Times"] for row in verdict.errors[0].rows)
        assert len(verdict.errors[0].rows) == 5
        skill, limit = (verdict.errors[0].figures[name] for name in ("skill", "limit"))
        assert isinstance(skill, float)
        assert isinstance(limit, float)
        assert skill < limit < 0.5


def test_a_consistent_inversion_cannot_be_told_from_a_change_of_the_world(judge: Judge, incumbent: Bundle) -> None:
    verdict = judge(inverted(passwords.bootstrap()), incumbent)
    assert verdict.accepted
    assert warnings(verdict) == ["relation_changed"]
    assert all(row["predicted_in_service"] != row["Times"] for row in verdict.reasons[0].rows)
    assert verdict.incumbent_metrics["skill"] < -0.9


def test_the_very_rows_of_the_version_in_service_pass_again(
    judge: Judge, incumbent: Bundle, heart_incumbent: Bundle, heart_reference: Profile, tmp_path: Path
) -> None:
    verdict = judge(passwords.bootstrap(), incumbent)
    assert verdict.incumbent_metrics["skill"] > verdict.metrics["skill"]
    assert codes(verdict) == []
    path = tmp_path / "heart.csv"
    heart_disease.bootstrap().to_csv(path, index=False)
    again = gates.judge(path, heart_disease.TASK, reference=heart_reference, incumbent=heart_incumbent)
    assert codes(again.verdict) == []


def test_a_model_that_is_clearly_worse_on_the_same_rows_is_refused(judge: Judge, incumbent: Bundle) -> None:
    few = inverted(passwords.bootstrap().head(150), 0.09)
    verdict = judge(few, incumbent)
    strict = replace(passwords.TASK, gates=GateSettings(quality_margin=0.0, quality_errors=0.0))
    reason = next(reason for reason in judge(few, incumbent, strict).errors)
    assert reason.code == "worse_than_incumbent"
    difference = reason.figures["difference"]
    assert isinstance(difference, float)
    assert difference > 0
    assert f"worse by {difference:.3f}" in reason.message
    assert reason.rows
    for row in reason.rows:
        assert abs(float(row["predicted"]) - float(row["Times"])) > 0.5
        assert 2 <= row["line"] <= 151
    assert verdict.rows == 150


def test_a_version_that_is_worthless_on_a_new_alphabet_does_not_lock_it_out(judge: Judge, incumbent: Bundle) -> None:
    new = passwords.generate(5)
    new["Password"] = new["Password"].str.upper()
    verdict = judge(new, incumbent)
    assert codes(verdict) == []
    assert abs(verdict.incumbent_metrics["skill"]) < 0.1
    assert verdict.metrics["skill"] > 0.9


def test_a_model_that_is_worse_by_more_than_the_margin_is_refused_and_told_by_how_much(
    judge: Judge, incumbent: Bundle
) -> None:
    """Rows that the version in service answers well, but whose own labels teach the new model less."""
    noisy = inverted(passwords.bootstrap().head(200), 0.13)
    task = replace(passwords.TASK, gates=GateSettings(min_relative_skill=0.3, quality_errors=0.0))
    verdict = judge(noisy, incumbent, task)
    assert codes(verdict) == ["worse_than_incumbent"]
    figures = verdict.errors[0].figures
    assert figures["difference"] == pytest.approx(verdict.incumbent_metrics["skill"] - verdict.metrics["skill"])
    assert figures["margin"] == 0.05
    assert figures["chance"] == 0.0
    assert f"worse by {figures['difference']:.3f}, at most 0.050 is allowed" in verdict.errors[0].message


def test_a_floor_is_kept(judge: Judge) -> None:
    task = replace(passwords.TASK, gates=GateSettings(quality_floor=0.999))
    assert codes(judge(passwords.bootstrap(), task=task)) == ["quality_below_floor"]


def test_what_is_left_is_judged_where_many_rows_may_be_let_go(judge: Judge) -> None:
    task = replace(passwords.TASK, gates=GateSettings(max_null_share=0.9))
    good, noise = passwords.bootstrap(), passwords.bootstrap()
    noise["Times"] = np.random.default_rng(0).permutation(noise["Times"])
    for frame in (good, noise):
        frame.loc[frame.index % 5 < 2, "Times"] = None
    assert judge(good, task=task).accepted
    assert warnings(judge(good, task=task))[0] == "value_missing"
    assert "not_learnable" in codes(judge(noise, task=task))


def test_reasons_of_all_gates_are_collected_and_errors_come_first(judge: Judge) -> None:
    frame = passwords.generate(4, 1000, (0.8, 0.2))
    frame["Times"] = np.random.default_rng(0).permutation(frame["Times"]).astype(object)
    frame.loc[7, "Times"] = "many"
    frame.loc[8, "Times"] = None
    verdict = judge(frame)
    assert codes(verdict) == ["value_not_numeric", "target_drift", "not_learnable"]
    assert warnings(verdict)[0] == "value_missing"


def test_a_judgement_is_repeatable(
    write: Callable[[pd.DataFrame], Path], reference: Profile, incumbent: Bundle
) -> None:
    path = write(passwords.generate(6, 300))
    one, two = (gates.judge(path, passwords.TASK, reference=reference, incumbent=incumbent) for _ in range(2))
    assert one.verdict == two.verdict
    assert one.profile == two.profile


def test_without_rows_there_is_no_frame(write: Callable[[str], Path]) -> None:
    found = gates.judge(write("nothing"), passwords.TASK, reference=None, incumbent=None)
    assert (found.frame, found.profile, found.verdict.accepted) == (None, None, False)


def test_what_was_refused_cannot_lock_out_what_is_good(
    write: Callable[[pd.DataFrame], Path], passwords_judgement: Judgement, tmp_path: Path, reference: Profile
) -> None:
    """A version that was trained on shuffled labels, however it came into service, gives way to a good one."""
    frame = passwords_judgement.frame
    assert frame is not None
    shuffled = frame.assign(Times=np.random.default_rng(1).permutation(frame["Times"]))
    bad = bundle_of(passwords.TASK, passwords_judgement, tmp_path / "bundle", shuffled)
    path = write(passwords.bootstrap())
    assert gates.judge(path, passwords.TASK, reference=reference, incumbent=bad).verdict.accepted


def test_a_skill_below_zero_is_refused_whatever_the_tail(
    write: Callable[[pd.DataFrame], Path],
) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnop"), 8)) for _ in range(400)]
    frame = pd.DataFrame({"Password": words, "Times": np.floor(rng.pareto(0.8, 400))})
    own = profile_of(frame.drop_duplicates("Password"), passwords.TASK, data_sha256="0" * 64, skill=0.6)
    verdict = gates.judge(write(frame), passwords.TASK, reference=own, incumbent=None).verdict
    assert verdict.metrics["skill"] < 0
    assert codes(verdict) == ["not_learnable"]


def test_bad_hearts_are_refused_and_good_ones_pass(
    write: Callable[[pd.DataFrame], Path], heart_reference: Profile, heart_incumbent: Bundle
) -> None:
    many = heart_disease.generate(1, 400)
    good = many.head(190)  # of so few, the estimator looks at no pairs of columns, which takes long
    shuffled = good.assign(condition=np.random.default_rng(0).permutation(good["condition"]))
    ill, well = many[many["condition"] == 1], many[many["condition"] == 0]
    rare, single = pd.concat([ill[:9], well[:171]]), pd.concat([ill[:1], well[:150]])
    for frame, code in (
        (good, None),
        (good.rename(columns={"chol": "thalach", "thalach": "chol"}), "value_too_large"),
        (good.assign(age=good["age"] * 12), "value_too_large"),
        (rare, "target_drift"),
        (single, "target_drift"),
        (single, "not_learnable"),
        (shuffled, "not_learnable"),
    ):
        found = gates.judge(write(frame), heart_disease.TASK, reference=heart_reference, incumbent=heart_incumbent)
        assert (code in codes(found.verdict)) if code else codes(found.verdict) == []
