"""Rows that a predictor keeps where a task's file says so, what is told of what really happened, and both as lines."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from regraft_core.formats import Versioned

type Plain = str | bool | int | float | None
"""A value of a request, as JSON has it."""


class KeptRow(BaseModel):
    """One row that was asked, and the answer to it."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Id of the request, as its answer carried it")
    row: int = Field(ge=0, description="Which row of the request, 0-based")
    at: float = Field(description="When it was answered, seconds since 1970")
    version: str
    inputs: dict[str, Plain]
    answer: str | bool | int | float
    probability: float | None = Field(None, description="Of the second of two classes, where the model gives any")


class KeptBlock(BaseModel):
    """Rows of one task, a JSON object of a ``KeptRow`` a line. A block never changes: its number is its name."""

    task: str
    number: int = Field(ge=0)
    at: float = Field(description="When it was closed, seconds since 1970")
    lines: str


class KeptTold(Versioned):
    """What a predictor has kept and nobody has fetched yet, the oldest first."""

    instance: str = Field(pattern="^[0-9a-f]{32}$")
    blocks: list[KeptBlock]


class Outcome(BaseModel):
    """What really happened, of one row: of a request that was kept, or of inputs that are told with it."""

    model_config = ConfigDict(frozen=True)

    at: float = Field(description="When it was told, seconds since 1970")
    truth: str | bool | int | float
    id: str | None = Field(None, description="Id of the request")
    row: int = 0
    inputs: dict[str, Plain] | None = None
    version: str | None = Field(None, description="With inputs: the version that was asked when the outcome was told")
    answer: str | bool | int | float | None = Field(None, description="With inputs: what it answered")
    probability: float | None = None


class InputsAsked(BaseModel):
    """Inputs of outcomes, for a predictor to answer; it counts them nowhere."""

    task: str
    rows: list[dict[str, object]]


class InputsAnswered(BaseModel):
    """What a predictor answers to the inputs of outcomes."""

    version: str
    answers: list[str | bool | int | float]
    probabilities: list[float] | None = None


def packed(rows: Iterable[BaseModel]) -> bytes:
    """Return rows as JSON lines in gzip; the same rows always give the same bytes."""
    return gzip.compress("\n".join(row.model_dump_json(exclude_none=True) for row in rows).encode(), 6, mtime=0)


def lines_of[R: BaseModel](data: bytes, kind: type[R]) -> Iterator[R]:
    """Yield the rows of JSON lines, in gzip or not. What is no such row is left aside."""
    try:
        text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    except (OSError, EOFError, ValueError):
        return
    for line in text.splitlines():
        try:
            yield kind.model_validate_json(line)
        except ValidationError:
            continue


__all__ = [
    "InputsAnswered",
    "InputsAsked",
    "KeptBlock",
    "KeptRow",
    "KeptTold",
    "Outcome",
    "Plain",
    "lines_of",
    "packed",
]
