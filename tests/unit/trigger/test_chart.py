from __future__ import annotations

from regraft_core.profile import Levels, Profile
from regraft_core.verdict import Verdict
from regraft_trigger.chart import Bars, Curves, target_chart
from tests.unit.trigger.examples import bins, levels, profile


def verdict(profile: Profile | None, reference: Profile | None) -> Verdict:
    return Verdict(task="passwords", accepted=True, profile=profile, reference=reference)


def test_levels_are_pairs_of_bars_in_the_order_of_their_values() -> None:
    chart = target_chart(verdict(levels(0.8, 0.1, 0.1), levels(0.5, 0.5)))

    assert isinstance(chart, Bars)
    assert [(group.label, group.share, group.reference) for group in chart.groups] == [
        ("0", 0.8, 0.5),
        ("1", 0.1, 0.5),
        ("2", 0.1, 0),
    ]
    assert chart.groups[0].share * chart.scale <= 190


def test_many_values_are_curves_from_nothing_to_all() -> None:
    chart = target_chart(verdict(bins(1, 10, 1000), bins(1, 20, 2000)))

    assert isinstance(chart, Curves)
    for points in (chart.dataset, chart.reference):
        heights = [float(point.split(",")[1]) for point in points.split()]
        assert (heights[0], heights[-1]) == (180, 0)
        assert heights == sorted(heights, reverse=True)
    assert all(44 <= place <= 344 for place, _ in chart.ticks)


def test_levels_against_bins_are_curves() -> None:
    assert isinstance(target_chart(verdict(levels(0.5, 0.5), bins(1, 10))), Curves)


def test_no_chart_without_a_profile() -> None:
    assert target_chart(verdict(None, levels(1.0))) is None
    assert target_chart(verdict(levels(1.0), None)) is None


def test_levels_may_be_words() -> None:
    levels = Levels(levels=("no", "a very long word indeed"), counts=(1, 1, 0), shares=(0.5, 0.5, 0.0))
    words = profile(levels)

    chart = target_chart(verdict(words, words))

    assert isinstance(chart, Bars)
    assert [group.label for group in chart.groups] == ["a very long…", "no"]
