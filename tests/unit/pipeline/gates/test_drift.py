from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.drift import drift_of
from regraft_core.fit.asked import Asked
from regraft_core.fit.counts import Counts
from regraft_core.profile import Levels, Profile
from regraft_core.verdict import Reason
from regraft_pipeline.data.profile import Tally, count, distribution_of, profile_of, tallies_of
from regraft_pipeline.gates import drift
from regraft_pipeline.tasks import Task, heart_disease, passwords


def reasons_of(frame: pd.DataFrame, task: Task, reference: Profile) -> list[Reason]:
    return drift.check(drift.compare(frame, task, reference), task, reference, frame.rename_axis("line"))


def swapped_in(frame: pd.DataFrame, reference: Profile) -> list[Reason]:
    task = heart_disease.TASK
    tallies = tallies_of([frame], task)
    return drift.check_swapped(drift.compare(tallies, task, reference), tallies, task, reference)


def test_psi_is_that_of_the_formula_and_chance_is_weighed_by_the_sample() -> None:
    psi, p = drift_of([8000, 2000], [5000, 5000])
    assert psi == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5), rel=1e-3)
    assert p < 1e-100
    assert drift_of([13, 7], [500, 500])[1] > 0.1


def test_small_bins_are_joined_so_that_one_row_in_a_tail_does_not_alarm() -> None:
    psi, p = drift_of([50, 49, 1, 0], [50_000, 49_900, 0, 100])
    assert psi < 0.01
    assert p > 0.5


def test_one_bin_alone_cannot_drift() -> None:
    assert drift_of([10, 0], [100, 0]) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.8, 0.2, 0.7, 0.3])
@pytest.mark.parametrize("rows", [200, 1000])
def test_another_split_of_the_target_is_refused_with_figures(reference: Profile, rows: int, share: float) -> None:
    reason = reasons_of(passwords.generate(1, rows, (share, 1 - share)), passwords.TASK, reference)[0]
    assert (reason.code, reason.severity, reason.column) == ("target_drift", "error", "Times")
    assert reason.figures["share"] == pytest.approx(max(share, 1 - share))
    assert reason.figures["reference_share"] == 0.5
    assert {row["Times"] for row in reason.rows} == {str(float(share < 0.5))}
    assert f"Times {int(share < 0.5)} has {max(share, 1 - share):.1%} instead of 50.0%" in reason.message


def test_a_small_change_of_the_target_is_a_warning(reference: Profile) -> None:
    found = reasons_of(passwords.generate(1, 2000, (0.59, 0.41)), passwords.TASK, reference)[0]
    assert (found.code, found.severity) == ("target_drift", "warning")


def test_new_values_of_the_target_are_drift(reference: Profile) -> None:
    frame = passwords.generate(1)
    frame["Times"] *= 5
    found = reasons_of(frame, passwords.TASK, reference)[0]
    assert (found.severity, found.figures["at"]) == ("error", "other")
    assert {row["Times"] for row in found.rows} == {"5.0"}


def test_inputs_warn_and_are_refused_where_they_are_something_else(
    reference: Profile, heart_reference: Profile
) -> None:
    frame = passwords.generate(1)
    frame["Password"] = frame["Password"].str.upper()
    found = reasons_of(frame, passwords.TASK, reference)
    assert [(reason.code, reason.severity) for reason in found] == [("input_drift", "warning")]
    assert "the characters of Password" in found[0].message
    assert all(str(row["Password"]).isupper() for row in found[0].rows)
    hearts = heart_disease.generate(3, 1000)
    hearts["age"] += 4
    found = reasons_of(hearts, heart_disease.TASK, heart_reference)
    assert [(reason.column, reason.severity) for reason in found] == [("age", "warning")]
    hearts["age"] += 16
    [refused] = reasons_of(hearts, heart_disease.TASK, heart_reference)
    assert (refused.column, refused.severity, refused.figures["limit"]) == ("age", "error", 1.0)
    assert [row["line"] for row in found[0].rows] == sorted(row["line"] for row in found[0].rows)
    assert len(found[0].rows) == 5


@pytest.mark.parametrize(("one", "other"), [("trestbps", "thalach"), ("sex", "fbs")])
@pytest.mark.parametrize("rows", [200, 1000])
def test_two_inputs_that_are_swapped_are_refused(heart_reference: Profile, one: str, other: str, rows: int) -> None:
    for seed in range(20):
        frame = heart_disease.generate(100 + seed, rows)
        assert swapped_in(frame, heart_reference) == []
        frame[[one, other]] = frame[[other, one]]
        [found] = swapped_in(frame, heart_reference)
        assert (found.code, found.severity, found.column) == ("columns_swapped", "error", one)
        assert found.figures["other"] == other
        assert f"{one} is distributed as {other} is in the reference, and {other} as {one}" in found.message


def test_inputs_that_drift_each_in_its_way_are_not_swapped(heart_reference: Profile) -> None:
    frame = heart_disease.generate(3, 1000)
    frame["trestbps"] += 30
    frame["thalach"] -= 40
    assert swapped_in(frame, heart_reference) == []


def test_the_same_kind_of_data_is_no_drift(reference: Profile) -> None:
    frame = passwords.bootstrap()
    for rows in (100, 300, 1000):
        assert reasons_of(frame.sample(rows, random_state=rows), passwords.TASK, reference) == []


def test_a_cut_tail_is_seen() -> None:
    contract = Contract(
        task="counts", features=(Column(name="x", type="number"),), target=Column(name="y", type="number", minimum=0)
    )
    task = replace(passwords.TASK, name="counts", contract=contract)
    rng = np.random.default_rng(1)
    tail = pd.DataFrame({"x": rng.random(20_000), "y": np.floor(rng.pareto(1.1, 20_000) + 1)})
    known = profile_of(tail, task, data_sha256="0" * 64)
    assert reasons_of(tail[:5000], task, known) == []
    cut = tail[tail["y"] <= tail["y"].quantile(0.95)]
    assert [reason.severity for reason in reasons_of(cut, task, known)] == ["error"]


def halves(words: list[str], rng: np.random.Generator) -> tuple[Any, Any]:
    found = np.array(words, dtype=object)
    rng.shuffle(found)
    return found[::2], found[1::2]


@pytest.mark.parametrize("frequencies", [[12] * 142, [20] * 50, [1700 // n for n in range(6, 300)]], ids=len)
def test_the_most_frequent_of_many_words_are_so_by_chance_and_that_is_no_drift(frequencies: list[int]) -> None:
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        one, other = halves([f"w{n}" for n, times in enumerate(frequencies) for _ in range(times)], rng)
        known = distribution_of(Tally.of(one))
        _, p = drift_of(count(known, Tally.of(other)).tolist(), known.counts)
        alarms += p < 0.002
        assert sum(known.counts) == len(one)
    assert alarms == 0
    assert isinstance(known, Levels)
    moved = np.where(rng.random(len(other)) < 0.3, known.levels[0], other)
    psi, p = drift_of(count(known, Tally.of(moved)).tolist(), known.counts)
    assert psi > 0.05
    assert p < 0.001


def asked(reference: Profile, frame: pd.DataFrame, rows: int | None = None) -> Asked:
    """Return what a version was asked that has seen the reference: the rows of a frame."""
    tallies = tallies_of([frame], heart_disease.TASK)
    columns = {
        name: {what: count(known, tallies[name][what]).tolist() for what, known in of.items() if what in tallies[name]}
        for name, of in reference.inputs.items()
    }
    return Asked(reference, Counts(rows=len(frame) if rows is None else rows, columns=columns))


def test_inputs_that_are_as_what_is_asked_now_are_a_warning(heart_reference: Profile) -> None:
    def found(now: Asked | None) -> list[Reason]:
        tallies = tallies_of([moved], heart_disease.TASK)
        comparisons = drift.compare(tallies, heart_disease.TASK, heart_reference)
        agreed = {} if now is None else drift.agreement(now, tallies)
        return [
            reason
            for reason in drift.check(comparisons, heart_disease.TASK, heart_reference, moved, agreed)
            if reason.column == "age"
        ]

    moved = heart_disease.generate(3, 1000)
    moved["age"] += 20
    other = heart_disease.generate(5, 1000)
    other["age"] += 20
    assert [each.severity for each in found(None)] == ["error"]
    assert [each.severity for each in found(asked(heart_reference, heart_disease.generate(5, 1000)))] == ["error"]
    assert [each.severity for each in found(asked(heart_reference, other, rows=199))] == ["error"]
    (reason,) = found(asked(heart_reference, other))
    assert (reason.code, reason.severity) == ("input_drift", "warning")
    assert "what the version in service is asked now" in reason.message
    assert float(str(reason.figures["psi_asked"])) < 0.1
