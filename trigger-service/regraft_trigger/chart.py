"""The chart of a dataset's target against the reference's: where the marks go. The template draws them as SVG."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, Field

from regraft_core.profile import Bins, Distribution, Levels
from regraft_core.verdict import Verdict

BAR_ROOM = 190.0
GROUP_HEIGHT = 40.0
CURVE_HEIGHT = 180.0
CURVE_LEFT = 44.0
CURVE_ROOM = 300.0
TICK_ROOM = 42.0


class Group(BaseModel):
    """One level of the target: its share in the dataset and in the reference."""

    label: str
    share: float
    reference: float
    y: float


class Bars(BaseModel):
    """Few levels: a pair of bars for each."""

    kind: Literal["bars"] = "bars"
    groups: list[Group]
    scale: float = Field(description="Length of the bar of a share of 1")

    @property
    def height(self) -> float:
        """Height of the drawing."""
        return GROUP_HEIGHT * len(self.groups)


class Curves(BaseModel):
    """Many values: the share of rows up to a value, a curve each; points as SVG takes them."""

    kind: Literal["curves"] = "curves"
    dataset: str
    reference: str
    ticks: list[tuple[float, str]] = Field(description="Place and text of the marks below")


def target_chart(verdict: Verdict) -> Bars | Curves | None:
    """Return the chart, None where the verdict has no target to compare with (refused before that, say)."""
    if verdict.profile is None or verdict.reference is None:
        return None
    dataset, reference = verdict.profile.target, verdict.reference.target
    if isinstance(dataset, Levels) and isinstance(reference, Levels):
        return _bars(dataset, reference)
    return _curves(dataset, reference)


def _bars(dataset: Levels, reference: Levels) -> Bars:
    ours, theirs = _by_label(dataset), _by_label(reference)
    labels = sorted(ours | theirs, key=_in_order)
    largest = max([*ours.values(), *theirs.values()], default=0) or 1
    groups = [
        Group(
            label=label if len(label) <= 12 else f"{label[:11]}…",
            share=ours.get(label, 0),
            reference=theirs.get(label, 0),
            y=GROUP_HEIGHT * index,
        )
        for index, label in enumerate(labels)
    ]
    return Bars(groups=groups, scale=BAR_ROOM / largest)


def _by_label(distribution: Levels) -> dict[str, float]:
    labels = [level if isinstance(level, str) else f"{level:g}" for level in distribution.levels]
    shares = dict(zip([*labels, "other"], distribution.shares, strict=False))
    return {label: share for label, share in shares.items() if share or label != "other"}


def _in_order(label: str) -> tuple[bool, float, str]:
    try:
        return (False, float(label), label)
    except ValueError:
        return (label == "other", math.inf, label)


def _curves(dataset: Distribution, reference: Distribution) -> Curves | None:
    ours, theirs = _cumulative(dataset), _cumulative(reference)
    if not ours or not theirs:
        return None
    places = sorted({_bent(value) for value, _ in (*ours, *theirs)})
    first, last = places[0], places[-1]

    def across(value: float) -> float:
        return CURVE_LEFT + CURVE_ROOM * (_bent(value) - first) / ((last - first) or 1)

    def points(steps: list[tuple[float, float]]) -> str:
        return " ".join(f"{across(value):.1f},{CURVE_HEIGHT * (1 - share):.1f}" for value, share in steps)

    return Curves(
        dataset=points(ours), reference=points(theirs), ticks=_ticks([(across(value), value) for value, _ in theirs])
    )


def _cumulative(distribution: Distribution) -> list[tuple[float, float]]:
    if isinstance(distribution, Bins):
        values = [distribution.minimum, *distribution.edges, distribution.maximum]
        shares: tuple[float, ...] = (0.0, *distribution.shares)
    else:
        values = [float(level) for level in distribution.levels if not isinstance(level, str)]
        shares = distribution.shares
    total = 0.0
    steps = []
    for value, share in zip(values, shares, strict=False):
        total += share
        steps.append((value, min(total, 1.0)))
    return steps


def _bent(value: float) -> float:
    """Bend the axis, because tails are long: linear around 0, logarithmic far out."""
    return math.asinh(value)


def _ticks(places: list[tuple[float, float]]) -> list[tuple[float, str]]:
    """Take the marks that have room for their text."""
    taken: list[tuple[float, str]] = []
    for place, value in places:
        if not taken or place - taken[-1][0] >= TICK_ROOM:
            taken.append((place, f"{value:.4g}"))
    return taken
