"""The fit of a task as the page shows it: a word, and a line a column with both distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regraft_core.fit.fit import DRIFT_P, DRIFT_PSI, Fit
from regraft_core.presentation.distributions import Group, groups_of
from regraft_core.profile import Comparison

HEIGHT = 28.0
"""Of a bar for the largest share, as the page draws it."""


@dataclass(frozen=True)
class Pair:
    """A value or bin: how high its bars are, for what is asked and for what the model knows."""

    label: str
    asked: float
    known: float


@dataclass(frozen=True)
class Line:
    """What is asked in a column, or what is answered, beside what the model knows."""

    name: str
    psi: float
    moved: bool
    pairs: list[Pair]


@dataclass(frozen=True)
class FitShown:
    """The fit of what serves, and a line for each column and for the answers."""

    fit: Fit
    lines: list[Line]


def shown(fit: Fit, comparisons: Sequence[Comparison]) -> FitShown:
    """Return what the page shows; of each column what has moved most."""
    worst: dict[str, Comparison] = {}
    for each in comparisons:
        if each.column not in worst or each.psi > worst[each.column].psi:
            worst[each.column] = each
    return FitShown(fit, [_line(each) for each in worst.values()])


def _line(found: Comparison) -> Line:
    groups, _ = groups_of(found.labels, found.shares, found.reference, what=found.what)
    largest = max((max(group.share, group.reference or 0.0) for group in groups), default=0.0) or 1.0
    name = found.column if found.what == "values" else f"{found.what} of {found.column}"
    return Line(
        name="The answers" if found.what == "predictions" else name,
        psi=found.psi,
        moved=found.psi > DRIFT_PSI and found.p < DRIFT_P,
        pairs=[_pair(group, largest) for group in groups],
    )


def _pair(group: Group, largest: float) -> Pair:
    return Pair(group.label, HEIGHT * group.share / largest, HEIGHT * (group.reference or 0.0) / largest)
