from __future__ import annotations

import pytest

from regraft_core.presentation.distributions import compared, groups_of, p_value, target_of
from regraft_core.profile import Comparison
from regraft_core.verdict import Reason, Verdict


def comparison(column: str, what: str, psi: float, labels: list[str], shares: list[float]) -> Comparison:
    even = [1 / len(labels)] * len(labels)
    return Comparison(column=column, what=what, labels=labels, shares=shares, reference=even, psi=psi, p=0.0001)


def drift(column: str, psi: float) -> Reason:
    return Reason(
        code="input_drift", gate="drift", severity="warning", message="m", column=column, figures={"psi": psi}
    )


def test_the_target_comes_first_then_what_has_drifted_the_most() -> None:
    columns = [("age", "values", 0.01), ("sex", "values", 0.1), ("cp", "values", 0.3), ("condition", "target", 0.0)]
    verdict = Verdict(
        task="heart-disease",
        accepted=True,
        reasons=[drift("sex", 0.1), drift("cp", 0.3)],
        comparisons=[comparison(*each, ["0", "1"], [0.4, 0.6]) for each in columns],
    )
    assert [one.column for one in compared(verdict)] == ["condition", "cp", "sex", "age"]
    assert [one.drifted for one in compared(verdict)] == [False, True, True, False]
    assert [one.title for one in compared(verdict)][:2] == ["condition, the target", "cp"]
    assert target_of(verdict) == compared(verdict)[0]


def test_a_verdict_that_held_nothing_against_anything_has_none() -> None:
    nothing = Verdict(task="passwords", accepted=False)
    assert compared(nothing) == []
    assert target_of(nothing) is None


def test_bins_are_ranges_and_unseen_characters_have_names() -> None:
    found, _ = groups_of(["≤ 1", "≤ 5", "> 5"], [0.2, 0.3, 0.5], [0.3, 0.3, 0.4])
    assert [group.label for group in found] == ["≤ 1", "1 to 5", "> 5"]
    found, _ = groups_of([" ", "a", "\t", "other"], [0.5, 0.3, 0.2, 0.0], None)
    assert [group.label for group in found] == ["space", "a", "\\t"]


def test_days_of_the_week_stand_in_their_order() -> None:
    labels = ["Friday", "Monday", "Sunday", "Wednesday", "other"]
    found, _ = groups_of(labels, [0.4, 0.3, 0.1, 0.1, 0.1], None, what="weekday")
    assert [group.label for group in found] == ["Monday", "Wednesday", "Friday", "Sunday", "other"]


def test_of_many_groups_those_are_shown_that_differ_most() -> None:
    labels = [f"{number}" for number in range(40)]
    shares = [0.02] * 39 + [0.22]
    found, left_out = groups_of(labels, shares, [0.025] * 40)
    assert (found[0].label, len(found), left_out) == ("39", 14, 26)
    assert found[0].difference == pytest.approx(0.195)


def test_the_chart_says_all_that_it_shows() -> None:
    verdict = Verdict(
        task="passwords",
        accepted=True,
        comparisons=[comparison("Times", "target", 0.4, ["0", "1"], [0.8, 0.2])],
    )
    chart = compared(verdict)[0].chart()
    assert chart.label.endswith("this dataset and the reference: 0: 80.0% and 50.0%; 1: 20.0% and 50.0%")


@pytest.mark.parametrize(("p", "words"), [(0.5, "p 0.5"), (0.00012, "p 0.00012"), (1e-40, "p < 0.0001")])
def test_probabilities_are_written_as_in_papers(p: float, words: str) -> None:
    assert p_value(p) == words
