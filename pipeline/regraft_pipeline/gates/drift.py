"""The second gate: the target must be distributed as in the reference. Of the inputs it only warns, unless two swapped.

The population stability index says how much two distributions differ; a chi-square test of homogeneity says whether
samples of these sizes would differ so by chance. A dataset is refused only where both are over their thresholds: the
index alone alarms on small samples, the test alone on large ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.drift import drift_of
from regraft_core.fit.asked import Asked
from regraft_core.fit.fit import DRIFT_PSI, MIN_ROWS
from regraft_core.listing import first_of
from regraft_core.presentation.distributions import p_value
from regraft_core.profile import Bins, Comparison, Distribution, Profile
from regraft_core.verdict import Reason
from regraft_pipeline.data.profile import Tallies, Tally, among, aspects, count, rows_of, tallies_of
from regraft_pipeline.data.reasons import examples
from regraft_pipeline.gates.gate import Evidence, Gate
from regraft_pipeline.tasks import Task

MOST_NAMED = 10
"""Most columns that are named."""

FEWEST_VALUES = 30
"""Values that an input must have, here and in the reference, to be refused: of fewer, a few alike move the index."""


def reasons(evidence: Evidence) -> list[Reason]:
    """Return an error for a target that has drifted, for inputs that cannot be what they were, and for swapped ones."""
    task, reference, comparisons = evidence.task, evidence.reference, evidence.comparisons
    if reference is None:
        return []
    agreed = {} if evidence.asked is None else agreement(evidence.asked, evidence.tallies)
    return [
        *check(comparisons, task, reference, evidence.sample, agreed),
        *check_swapped(comparisons, evidence.tallies, task, reference),
        *unknown(evidence.tallies, task, reference),
    ]


GATE = Gate(
    "drift", "Is the target distributed as in the reference?", reasons, lambda verdict: bool(verdict.comparisons)
)


def compare(data: pd.DataFrame | Tallies, task: Task, reference: Profile) -> list[Comparison]:
    """Hold a typed frame, or the tallies of a dataset, against the reference: the target first, then the inputs.

    A column that the reference does not know, or knows as of another type, is not compared: the contract has changed
    since somebody blessed it.
    """
    tallies = tallies_of([data], task) if isinstance(data, pd.DataFrame) else data
    target = tallies[task.contract.target.name]["values"]
    found = []
    if counts_alike(reference.target, target):
        found.append(_compared(task.contract.target.name, "target", reference.target, target))
    for column in task.contract.features:
        known = reference.inputs.get(column.name, {})
        found += [
            _compared(column.name, what, known[what], tally)
            for what, tally in tallies[column.name].items()
            if what in known
            and counts_alike(known[what], tally)
            and tally.total()
            and not (column.trend and what == "values")
        ]
    return found


def unknown(tallies: Tallies, task: Task, reference: Profile) -> list[Reason]:
    """Return a warning where the reference does not know a column, or knows it as of another type."""
    contract = task.contract
    known = {column.name: reference.inputs.get(column.name, {}) for column in contract.features}
    names = [
        name
        for name, distributions in {contract.target.name: {"values": reference.target}, **known}.items()
        if (counted := {what: tally for what, tally in tallies[name].items() if what != "missing" and tally.total()})
        and not any(what in distributions and counts_alike(distributions[what], counted[what]) for what in counted)
    ]
    if not names:
        return []
    return [
        Reason(
            code=Code.REFERENCE_INCOMPLETE,
            gate="drift",
            severity="warning",
            message=(
                f"the reference does not know {first_of(names, MOST_NAMED)}, or knows it as of another type: nothing "
                "is held against it until somebody blesses a dataset"
            ),
            column=names[0],
            figures={"columns": len(names)},
            remedy="a reference that has the columns of the task: regraft bless, of a dataset that you trust",
        )
    ]


def counts_alike(distribution: Distribution, tally: Tally) -> bool:
    """Whether the values of a tally can be counted as those of a distribution were: numbers as numbers."""
    numbers = isinstance(distribution, Bins) or not any(isinstance(level, str) for level in distribution.levels)
    return numbers == (tally.values.dtype.kind in "iuf")


def agreement(asked: Asked, tallies: Tallies) -> dict[tuple[str, str], float]:
    """Return the index of each distribution of a dataset's inputs against what is asked now, where the two agree.

    Both are counted in the bins of the version that is asked. Of few requests nothing is known, and nothing agrees.
    """
    if asked.counts.rows < MIN_ROWS:
        return {}
    found = {
        (column, what): drift_of(count(known, tallies[column][what]).tolist(), asked.counts.columns[column][what])[0]
        for column, aspects_of in asked.profile.inputs.items()
        for what, known in aspects_of.items()
        if what in tallies.get(column, {})
        and counts_alike(known, tallies[column][what])
        and any(asked.counts.columns.get(column, {}).get(what, ()))
    }
    return {where: psi for where, psi in found.items() if psi <= DRIFT_PSI}


def check(
    comparisons: list[Comparison],
    task: Task,
    reference: Profile,
    frame: pd.DataFrame,
    agreed: Mapping[tuple[str, str], float] = {},
) -> list[Reason]:
    """Return an error for a target that has drifted, and for an input that cannot be what it was.

    What has drifted less is a warning. An input is refused from ``input_drift_psi`` on: so far it moves when its unit,
    its codes or its format are others. A column that moves with time is never refused for where it is in time, nor is
    one that agrees with what the version in service is asked now (``agreed``: with which index): the world has moved.

    The examples are the first rows of the frame, the dataset or a sample of it, where the reference has fewer.
    """
    settings = task.gates
    reasons = []
    for found in comparisons:
        if found.p >= settings.drift_p or found.psi <= settings.drift_psi_warning:
            continue
        most = settings.drift_psi if found.what == "target" else _most_of_input(found, task, reference, frame)
        now = agreed.get((found.column, found.what)) if found.what != "target" else None
        refused = most is not None and found.psi > most and now is None
        limit = most if refused or found.what == "target" else settings.drift_psi_warning
        moved = int(np.argmax(np.subtract(found.shares, found.reference)))
        label = f"{found.column} {found.labels[moved]}" if found.what == "target" else repr(found.labels[moved])
        name = found.column if found.what in ("target", "values") else f"the {found.what} of {found.column}"
        reasons.append(
            Reason(
                code=Code.TARGET_DRIFT if found.what == "target" else Code.INPUT_DRIFT,
                gate="drift",
                severity="error" if refused else "warning",
                message=(
                    f"the distribution of {name} differs from the reference's: {label} has {found.shares[moved]:.1%} "
                    f"instead of {found.reference[moved]:.1%} "
                    f"(PSI {found.psi:.3f}, limit {limit:g}; {p_value(found.p)}){_as_asked(now)}"
                ),
                column=found.column,
                figures={
                    "psi": found.psi,
                    "limit": limit,
                    "p": found.p,
                    "p_limit": settings.drift_p,
                    "share": found.shares[moved],
                    "reference_share": found.reference[moved],
                    "at": found.labels[moved],
                    **({} if now is None else {"psi_asked": round(now, 6)}),
                },
                remedy=(
                    f"a PSI of at most {limit:g}; where the world has changed for good, a person makes this dataset "
                    "the reference with 'regraft bless'"
                ),
                rows=_rows_at(frame, task, reference, found, moved),
            )
        )
    return reasons


def _as_asked(psi: float | None) -> str:
    return "" if psi is None else f"; so does what the version in service is asked now (PSI {psi:.3f} against that)"


def _most_of_input(found: Comparison, task: Task, reference: Profile, frame: pd.DataFrame) -> float | None:
    """Return the index from which an input is refused, None where it never is."""
    column = next(column for column in task.contract.features if column.name == found.column)
    few = min(int(frame[column.name].notna().sum()), sum(reference.inputs[column.name][found.what].counts))
    return None if column.trend or few < FEWEST_VALUES else task.gates.input_drift_psi


def check_swapped(comparisons: list[Comparison], tallies: Tallies, task: Task, reference: Profile) -> list[Reason]:
    """Return an error for every two inputs of which each is distributed as the other is in the reference.

    Where their ranges overlap no other gate sees it, and a model learns from it as from any column, to be asked in
    vain by those who send the columns as they always did.
    """

    def known(column: str) -> Distribution:
        return reference.inputs[column]["values"]

    def psi(column: str, reference_column: str) -> float:
        distribution = known(reference_column)
        return drift_of(count(distribution, tallies[column]["values"]).tolist(), distribution.counts)[0]

    limit = task.gates.swap_psi
    moved = {found.column: found.psi for found in comparisons if found.what == "values" and found.psi > limit}
    reasons = []
    for one, other in combinations(moved, 2):
        if known(one).kind == known(other).kind and max(psi(one, other), psi(other, one)) < limit / 2:
            reasons.append(_swapped(one, other, moved, limit))
    return reasons


def _swapped(one: str, other: str, moved: Mapping[str, float], limit: float) -> Reason:
    return Reason(
        code=Code.COLUMNS_SWAPPED,
        gate="drift",
        message=(
            f"{one} is distributed as {other} is in the reference, and {other} as {one}: they seem to be swapped "
            f"(PSI against their own {moved[one]:.2f} and {moved[other]:.2f}, limit {limit:g})"
        ),
        column=one,
        figures={"psi": round(moved[one], 6), "psi_other": round(moved[other], 6), "limit": limit, "other": other},
        remedy=(
            f"{one} and {other} under their own names; where this is right, a person makes this dataset the reference "
            "with 'regraft bless'"
        ),
    )


def _rows_at(
    frame: pd.DataFrame, task: Task, reference: Profile, found: Comparison, at: int
) -> list[dict[str, object]]:
    """Return rows that belong to one count of a comparison."""
    values: Any
    if found.what == "target":
        known, values = reference.target, aspects(frame, task.contract.target)["values"]
    else:
        column = next(column for column in task.contract.features if column.name == found.column)
        known, values = reference.inputs[found.column][found.what], aspects(frame, column)[found.what]
        frame = rows_of(frame, column, found.what)
    return examples(frame[among(known, values, at)])


def _compared(column: str, what: str, reference: Distribution, tally: Tally) -> Comparison:
    counts = count(reference, tally)
    psi, p = drift_of(counts.tolist(), reference.counts)
    return Comparison(
        column=column,
        what=what,
        labels=reference.labels,
        shares=_shares(counts),
        reference=list(reference.shares),
        psi=round(psi, 6),
        p=float(f"{p:.3g}"),
    )


def _shares(counts: NDArray[np.int64]) -> list[float]:
    shares: list[float] = np.round(counts / max(int(counts.sum()), 1), 6).tolist()
    return shares
