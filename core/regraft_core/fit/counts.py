"""What a predictor counts: how often, never what. Counts of processes and of hours add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from regraft_core.contract import Contract
from regraft_core.formats import Versioned
from regraft_core.profile import CONFIDENCE_EDGES, Confidence, Profile

type Number = Annotated[int, Field(ge=0, le=2**53)]
"""A count that every program can add up exactly."""

UNFIT_PSI = 1.0
"""Index from which requests are no longer those that the model knows, where the task does not say."""


class Refused(BaseModel):
    """Requests that broke the contract in one way; of a rule that is of no column there is none."""

    model_config = ConfigDict(frozen=True)

    column: str | None
    code: str
    requests: Number


class Counts(BaseModel):
    """What a version was asked to predict and what it answered, in the bins of what it knows."""

    model_config = ConfigDict(frozen=True)

    rows: Number = 0
    requests: Number = Field(0, description="Requests for predictions, those that were refused among them")
    columns: dict[str, dict[str, list[Number]]] = Field(
        default_factory=dict, description="By column and aspect, as the profile has them"
    )
    predictions: list[Number] = Field(default_factory=list)
    confidence: list[Number] = Field(
        default_factory=list, description="Probabilities of a classifier's answers, in the bins of CONFIDENCE_EDGES"
    )
    refused: list[Refused] = Field(default_factory=list)

    def since(self, before: Counts) -> Counts:
        """Return what has been counted since an earlier moment of the same process."""
        return _combined(self, before, -1)

    def plus(self, other: Counts) -> Counts:
        """Return what both have counted."""
        return _combined(self, other, 1)


class Known(Versioned):
    """What a version knows, and its requests are held against."""

    model_config = ConfigDict(frozen=True)

    task: str
    version: str
    data_sha256: str
    profile: Profile | None = None
    unfit_psi: float = UNFIT_PSI
    trends: list[str] = Field(default_factory=list, description="Columns whose values move with time")
    contract: Contract | None = None
    skill: float | None = Field(None, description="On rows that it had not seen when it was judged")
    keep_days: int = Field(30, description="How long rows that are kept are kept, and what is told of them")

    @property
    def confidence(self) -> Confidence | None:
        """How often what it was sure of came true, None where that is not known, or it is no classifier."""
        return None if self.profile is None else self.profile.confidence

    def fits(self, counts: Counts) -> bool:
        """Whether counts are in the bins of this version."""
        inputs = {} if self.profile is None else self.profile.inputs
        predictions = None if self.profile is None else self.profile.predictions
        return (
            _shape(counts.columns) == {n: {w: len(d.counts) for w, d in of.items()} for n, of in inputs.items()}
            and len(counts.predictions) == (0 if predictions is None else len(predictions.counts))
            and len(counts.confidence) in (0, 0 if self.confidence is None else len(CONFIDENCE_EDGES) + 1)
            and all(refused.column is None or refused.column in inputs for refused in counts.refused)
        )


class Counted(BaseModel):
    """What a process has counted of one version since it began."""

    model_config = ConfigDict(frozen=True)

    known: Known
    counts: Counts


class Told(Versioned):
    """What a predictor tells. ``instance`` is new with every start of a process: what it has counted begins at 0."""

    instance: str = Field(pattern="^[0-9a-f]{32}$")
    started_at: datetime
    tasks: dict[str, list[object]] = Field(description="By task, a ``Counted`` of each version")
    keeps: bool = Field(False, description="Whether there are rows that were kept, to be fetched")


class Hour(Versioned):
    """What a process had counted of a task when it was last asked in an hour, by version."""

    at: float = Field(description="When it was asked, seconds since 1970")
    started_at: float = Field(description="When the process began, seconds since 1970")
    versions: dict[str, Counts]


def total(parts: Iterable[Counts]) -> Counts:
    """Return what all have counted."""
    found = Counts()
    for part in parts:
        found = found.plus(part)
    return found


def _combined(one: Counts, other: Counts, sign: int) -> Counts:
    refused = {(each.column, each.code): each.requests for each in one.refused}
    for each in other.refused:
        key = (each.column, each.code)
        refused[key] = refused.get(key, 0) + sign * each.requests
    return Counts(
        rows=one.rows + sign * other.rows,
        requests=one.requests + sign * other.requests,
        columns={
            name: {
                what: _added(one.columns.get(name, {}).get(what, []), other.columns.get(name, {}).get(what, []), sign)
                for what in (one.columns.get(name) or other.columns[name])
            }
            for name in (one.columns or other.columns)
        },
        predictions=_added(one.predictions, other.predictions, sign),
        confidence=_added(one.confidence, other.confidence, sign),
        refused=[Refused(column=column, code=code, requests=n) for (column, code), n in refused.items() if n],
    )


def _added(one: list[int], other: list[int], sign: int) -> list[int]:
    if not one or not other:
        return list(one) if one else [sign * count for count in other]
    return [a + sign * b for a, b in zip(one, other, strict=True)]


def _shape(columns: Mapping[str, Mapping[str, list[int]]]) -> dict[str, dict[str, int]]:
    return {name: {what: len(counts) for what, counts in of.items()} for name, of in columns.items()}


__all__ = ["UNFIT_PSI", "Counted", "Counts", "Hour", "Known", "Refused", "Told", "total"]
