"""The answer: what the last hour or day was asked, held against what the version knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from regraft_core.drift import drift_of
from regraft_core.fit.counts import Counts, Known, Refused
from regraft_core.fit.estimated import estimated_of
from regraft_core.fit.measured import MeasuredSkill
from regraft_core.profile import THERE, Bins, Comparison, Distribution, Levels

type Window = Literal["hour", "day"]

MIN_ROWS = 200
"""Fewer rows tell nothing."""

MOST_ROWS = 10_000
"""Rows that the test takes at most: of more, everything is significant."""

DRIFT_PSI, DRIFT_P = 0.25, 0.001
"""Requests have drifted where the index is over the first and the p-value under the second."""

REFUSED_DRIFTING, REFUSED_UNFIT = 0.01, 0.05
"""Shares of requests refused above which they are called drifting, and unfit."""


class FitState(StrEnum):
    """Whether a version still fits the requests that it gets."""

    UNKNOWN = "unknown"
    FITS = "fits"
    DRIFTING = "drifting"
    UNFIT = "unfit"


class ColumnFit(BaseModel):
    """How the requests' values of a column differ from those that the model knows; shares are 0 to 1."""

    name: str
    psi: float | None = Field(description="The largest index of its aspects; none: there is nothing to hold against")
    p: float | None
    rows: int
    missing: float = Field(description="Share of the rows without a value")
    unknown: float = Field(description="Share of the values that are none of those the model has seen")


class PredictionsFit(BaseModel):
    """How the answers differ from those for rows that the model had not seen when it was judged."""

    psi: float | None
    p: float | None


class RefusedShare(BaseModel):
    """Requests that broke the contract in one way, as a share of all."""

    column: str | None
    code: str
    share: float


class Fit(BaseModel):
    """Whether the version that serves still fits the requests that it gets."""

    model_config = ConfigDict(frozen=True)

    state: FitState
    since: datetime = Field(description="Since when the state is what it is")
    window: Window
    rows: int
    columns: list[ColumnFit]
    predictions: PredictionsFit
    refused: list[RefusedShare]
    estimated: dict[str, float] = Field(
        default_factory=dict,
        description="Of a classifier's answers: expected accuracy and, of two classes, ROC AUC, with their standard "
        "errors, from how sure it was. An estimate: it holds while what follows from the inputs is the same",
    )
    measured: list[MeasuredSkill] = Field(
        default_factory=list, description="Skill of each version whose outcomes are known, the newest version first"
    )


def fit_of(
    known: Known | None, counts: Counts, *, window: Window, since: datetime, measured: Sequence[MeasuredSkill] = ()
) -> Fit:
    """Hold counts, and measured skill, against what a version knows. ``since`` is taken as it is given."""
    found = [] if known is None else comparisons_of(known, counts)
    columns = {} if known is None or known.profile is None else known.profile.inputs
    answers = next((each for each in found if each.what == "predictions"), None)
    return Fit(
        state=_state(known, counts, found, measured),
        since=since,
        window=window,
        rows=counts.rows,
        columns=[_column(name, columns[name], counts, found) for name in columns],
        predictions=PredictionsFit(psi=answers and answers.psi, p=answers and answers.p),
        refused=refused_of(counts),
        estimated=_estimated(known, counts),
        measured=list(measured),
    )


def _estimated(known: Known | None, counts: Counts) -> dict[str, float]:
    if known is None or known.confidence is None or sum(counts.confidence) < MIN_ROWS:
        return {}
    return estimated_of(known.confidence, counts.confidence)


def comparisons_of(known: Known, counts: Counts) -> list[Comparison]:
    """Return every distribution of the requests, and of the answers, beside what the version knows.

    Where a value is in time says nothing of columns that move with time.
    """
    if known.profile is None:
        return []
    found = [
        _compared(name, what, reference, counts.columns[name][what])
        for name, aspects in known.profile.inputs.items()
        for what, reference in aspects.items()
        if any(counts.columns.get(name, {}).get(what, ())) and not (what == "values" and name in known.trends)
    ]
    if known.profile.predictions is not None and any(counts.predictions):
        found.append(_compared("", "predictions", known.profile.predictions, counts.predictions))
    return found


def refused_of(counts: Counts) -> list[RefusedShare]:
    """Return the shares of the requests that broke the contract, the largest first."""
    most = sorted(counts.refused, key=lambda each: -each.requests)
    return [RefusedShare(column=each.column, code=each.code, share=_share(each, counts)) for each in most]


def _share(refused: Refused, counts: Counts) -> float:
    return round(refused.requests / max(counts.requests, 1), 6)


def _state(known: Known | None, counts: Counts, found: list[Comparison], measured: Sequence[MeasuredSkill]) -> FitState:
    if known is None or counts.rows < MIN_ROWS:
        return FitState.UNKNOWN
    refused = sum(each.requests for each in counts.refused) / max(counts.requests, 1)
    if refused > REFUSED_UNFIT or any(each.psi >= known.unfit_psi for each in found):
        return FitState.UNFIT
    if any(each.lost for each in measured if each.version == known.version):
        return FitState.UNFIT
    if refused > REFUSED_DRIFTING or any(each.psi > DRIFT_PSI and each.p < DRIFT_P for each in found):
        return FitState.DRIFTING
    if known.profile is None or known.profile.predictions is None:
        return FitState.UNKNOWN  # of a version of an earlier release half of the answer is missing
    return FitState.FITS


def _column(name: str, known: Mapping[str, Distribution], counts: Counts, found: list[Comparison]) -> ColumnFit:
    worst = max((each for each in found if each.column == name), key=lambda each: each.psi, default=None)
    of_column = counts.columns.get(name, {})
    return ColumnFit(
        name=name,
        psi=worst and worst.psi,
        p=worst and worst.p,
        rows=counts.rows,
        missing=_missing(known.get("missing"), of_column.get("missing", [])),
        unknown=_unknown(known.get("values"), of_column.get("values", [])),
    )


def _missing(known: Distribution | None, counts: list[int]) -> float:
    if not isinstance(known, Levels) or not sum(counts):
        return 0.0
    there = counts[known.levels.index(THERE)] if THERE in known.levels else 0
    return round(1 - there / sum(counts), 6)


def _unknown(known: Distribution | None, counts: list[int]) -> float:
    """Return the share of values that are none of the known ones: 0 where not all of those are listed."""
    if known is None or isinstance(known, Bins) or known.counts[-1] or not sum(counts):
        return 0.0
    return round(counts[-1] / sum(counts), 6)


def _compared(column: str, what: str, reference: Distribution, counts: list[int]) -> Comparison:
    psi, p = drift_of(counts, reference.counts, most_rows=MOST_ROWS)
    total = max(sum(counts), 1)
    return Comparison(
        column=column,
        what=what,
        labels=reference.labels,
        shares=[round(count / total, 6) for count in counts],
        reference=list(reference.shares),
        psi=round(psi, 6),
        p=float(f"{p:.3g}"),
    )
