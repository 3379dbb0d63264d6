"""The profile of a dataset: how its target and its inputs are distributed. What new datasets are held against.

Only what it is, so that every part can read it; counting is the pipeline's (``regraft_pipeline.data.profile``).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from regraft_core.formats import Versioned

Scale = Literal["classes", "linear", "squares", "log"]
"""What skill is measured on: shares of classes, differences, or differences of logarithms."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MISSING, THERE = "missing", "there"
"""Levels of the aspect ``missing``."""


class Levels(BaseModel):
    """Rows at each of a few values, and at ``other`` values; ``counts`` has one more entry than ``levels``."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["levels"] = "levels"
    levels: tuple[float, ...] | tuple[str, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]

    @property
    def labels(self) -> list[str]:
        """A name for each count."""
        return [level if isinstance(level, str) else f"{level:g}" for level in self.levels] + ["other"]


class Bins(BaseModel):
    """Rows in bins: up to the first of the ``edges``, ..., above the last; edges belong to the bin below them."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["bins"] = "bins"
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    minimum: float
    maximum: float
    days: bool = Field(False, description="Whether the values are days since 1970")

    @property
    def labels(self) -> list[str]:
        """A name for each count."""
        edges = [_day(edge) if self.days else f"{edge:.4g}" for edge in self.edges]
        return [f"≤ {edge}" for edge in edges] + [f"> {edges[-1]}"]


def _day(days: float) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days):%Y-%m-%d}"


class Characters(BaseModel):
    """How often each character is used, the most frequent first, and ``other`` characters last."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["characters"] = "characters"
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]

    @property
    def labels(self) -> list[str]:
        """A name for each count."""
        return [*self.levels, "other"]


Distribution = Annotated[Levels | Bins | Characters, Field(discriminator="kind")]


CONFIDENCE_STEPS, CONFIDENCE_LIMIT = 4, 7
"""Steps between log odds that are one apart, and the largest log odds that are an edge."""
CONFIDENCE_LOG_ODDS = tuple(
    place / CONFIDENCE_STEPS
    for place in range(-CONFIDENCE_LIMIT * CONFIDENCE_STEPS, CONFIDENCE_LIMIT * CONFIDENCE_STEPS + 1)
)
CONFIDENCE_EDGES = tuple(1 / (1 + math.exp(-odds)) for odds in CONFIDENCE_LOG_ODDS)
"""Edges of the bins in which a classifier's probabilities are counted, even steps of log odds; one of them is 0.5. They
belong to the bin below them."""


class Confidence(BaseModel):
    """How often it came true what a classifier was so sure of, for rows that it had not seen.

    ``counts`` are its answers in the bins of ``CONFIDENCE_EDGES``, ``true`` those of them that came true.
    """

    model_config = ConfigDict(frozen=True)

    of: Literal["second", "answered"] = Field(
        description="What the probability is of: the second of two classes; of more, the class that is answered"
    )
    counts: tuple[int, ...] = Field(min_length=len(CONFIDENCE_EDGES) + 1, max_length=len(CONFIDENCE_EDGES) + 1)
    true: tuple[int, ...] = Field(min_length=len(CONFIDENCE_EDGES) + 1, max_length=len(CONFIDENCE_EDGES) + 1)


class Profile(Versioned):
    """What is known of a dataset. ``skill`` is that of the task's own estimator on it, out of fold."""

    model_config = ConfigDict(frozen=True)

    task: str
    rows: int = Field(description="Rows that were left for training")
    data_sha256: str
    skill: float | None = Field(None, description="What learnability is measured by on new datasets")
    scale: Scale | None = Field(None, description="What skill is measured on; new datasets are measured on the same")
    target: Distribution
    inputs: dict[str, dict[str, Distribution]] = Field(
        description="By column: 'values' (of open strings the most frequent), 'missing', 'length', 'characters' and "
        "'weekday'"
    )
    predictions: Distribution | None = Field(
        None, description="How the model's answers for rows that it had not seen are distributed"
    )
    confidence: Confidence | None = Field(None, description="What the answers of a classifier are estimated by")
    created_at: datetime | None = Field(None, description="When it became the reference")
    blessed_by: str | None = Field(None, description="Who made it the reference")
    why: str | None = Field(None, description="Why it is the reference")


class Comparison(BaseModel):
    """One distribution of a dataset beside the reference's, in the reference's bins."""

    model_config = ConfigDict(frozen=True)

    column: str
    what: str = Field(description="target, values, missing, length, characters or weekday")
    labels: list[str]
    shares: list[float]
    reference: list[float]
    psi: float
    p: float
