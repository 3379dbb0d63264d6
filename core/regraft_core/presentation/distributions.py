"""The distributions that a verdict tells of, as people look at them: in words, the odd ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from regraft_core.presentation.charts import Chart, bars, share_bar
from regraft_core.profile import WEEKDAYS, Comparison
from regraft_core.verdict import Verdict

MAX_GROUPS = 24
"""Most groups that are shown one by one; of more, such as characters, those that differ most."""

SHOWN_OF_MANY = 14


@dataclass(frozen=True)
class Group:
    """One value, bin or character: shares from 0 to 1, of the dataset and of the reference (None: there is none)."""

    label: str
    share: float
    reference: float | None

    @property
    def difference(self) -> float:
        """How far the share is from the reference's; the share itself where there is none."""
        return self.share - (self.reference or 0.0)


@dataclass(frozen=True)
class Distribution:
    """How a target, a feature, or the lengths or characters of a feature are distributed."""

    column: str
    what: str
    groups: list[Group]
    left_out: int = 0
    psi: float | None = None
    p: float | None = None
    drifted: bool = False

    @property
    def title(self) -> str:
        """What it is a distribution of."""
        if self.what == "target":
            return f"{self.column}, the target"
        return self.column if self.what == "values" else f"{self.what.capitalize()} of {self.column}"

    @property
    def note(self) -> str:
        """How it differs from the reference, in figures."""
        if self.psi is None or self.p is None:
            return ""
        return f"PSI {self.psi:.3f}, {p_value(self.p)}"

    @property
    def left_out_note(self) -> str:
        """Which groups are shown where not all are."""
        if not self.left_out:
            return ""
        which = "most frequent" if self.psi is None else "most different"
        return f"The {len(self.groups)} {which} of {len(self.groups) + self.left_out}"

    def chart(self) -> Chart:
        """Return bars for the groups, in pairs where there is a reference."""
        beside = "this dataset" if self.psi is None else "this dataset and the reference"
        said = "; ".join(
            f"{group.label}: {group.share:.1%}" + ("" if group.reference is None else f" and {group.reference:.1%}")
            for group in self.groups
        )
        found = [share_bar(group.label, group.share, group.reference) for group in self.groups]
        return bars(found, f"{self.title}, share of rows of {beside}: {said}")


def compared(verdict: Verdict) -> list[Distribution]:
    """Return what was held against the reference: the target, then what has drifted, the most first, then the rest."""
    found = [
        Distribution(
            column=each.column,
            what=each.what,
            groups=(shown := groups_of(each.labels, each.shares, each.reference, what=each.what))[0],
            left_out=shown[1],
            psi=each.psi,
            p=each.p,
            drifted=_has_drifted(each, verdict),
        )
        for each in verdict.comparisons
    ]
    return sorted(found, key=lambda one: (one.what != "target", not one.drifted, -(one.psi or 0) * one.drifted))


def target_of(verdict: Verdict) -> Distribution | None:
    """Return the target beside the reference's, None where they were not compared (refused before that, say)."""
    return next((found for found in compared(verdict) if found.what == "target"), None)


def groups_of(
    labels: Sequence[str], shares: Sequence[float], reference: Sequence[float] | None, *, what: str = "values"
) -> tuple[list[Group], int]:
    """Return the groups to show, days of the week in their order, and how many are left out as they are too many."""
    others = [None] * len(labels) if reference is None else reference
    found = [Group(*each) for each in zip(_in_words(labels), shares, others, strict=True)]
    used = [group for group in found if group.share or group.reference]
    if what == "weekday":
        used.sort(key=lambda group: [*WEEKDAYS, group.label].index(group.label))
    if len(used) <= MAX_GROUPS:
        return used, 0
    shown = sorted(used, key=lambda group: -abs(group.difference))[:SHOWN_OF_MANY]
    return shown, len(used) - len(shown)


def p_value(p: float) -> str:
    """Return a probability by chance as papers write it."""
    return "p < 0.0001" if p < 0.0001 else f"p {p:.2g}"


def _in_words(labels: Sequence[str]) -> list[str]:
    """Return bins as ranges, and characters that nobody sees by their names."""
    if len(labels) > 1 and all(label[:2] in ("≤ ", "> ") for label in labels):
        edges = [label[2:] for label in labels[:-1]]
        return [labels[0], *(f"{low} to {high}" for low, high in pairwise(edges)), labels[-1]]
    return ["space" if label == " " else label if label.isprintable() else repr(label)[1:-1] for label in labels]


def _has_drifted(found: Comparison, verdict: Verdict) -> bool:
    return any(
        reason.gate == "drift" and reason.column == found.column and reason.figures.get("psi") == found.psi
        for reason in verdict.reasons
    )
