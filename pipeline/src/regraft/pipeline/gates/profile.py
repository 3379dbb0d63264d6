"""The profile of a dataset: how its target and its inputs are distributed. What new datasets are held against."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from regraft.core.contract import Column
from regraft.pipeline.tasks import Task

MAX_LEVELS = 20
"""Most different values that are counted one by one; more are counted in bins."""

QUANTILES = (0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 0.999)
"""Upper edges of the bins. Heavy tails need the last three: without them a cut tail goes unnoticed."""

MAX_CHARACTERS = 100
"""Most characters that a profile counts one by one."""

_CHUNK_ROWS = 100_000


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

    def count(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Count values at these levels; the last entry counts the others."""
        found, counts = np.unique(values, return_counts=True)
        rows = dict(zip(found.tolist(), counts.tolist(), strict=True))
        inside = [rows.get(level, 0) for level in self.levels]
        return np.array([*inside, len(values) - sum(inside)], dtype=np.int64)

    def among(self, values: NDArray[Any], at: int) -> NDArray[np.bool_]:
        """Return which values belong to this count."""
        if at < len(self.levels):
            return np.asarray(values == self.levels[at], dtype=bool)
        return ~np.isin(values, np.array(self.levels, dtype=values.dtype))


class Bins(BaseModel):
    """Rows in bins: up to the first of the ``edges``, ..., above the last; edges belong to the bin below them."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["bins"] = "bins"
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    minimum: float
    maximum: float

    @property
    def labels(self) -> list[str]:
        """A name for each count."""
        return [f"≤ {edge:.4g}" for edge in self.edges] + [f"> {self.edges[-1]:.4g}"]

    def count(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Count values in these bins."""
        return np.bincount(np.searchsorted(self.edges, values, side="left"), minlength=len(self.edges) + 1)

    def among(self, values: NDArray[Any], at: int) -> NDArray[np.bool_]:
        """Return which values are in this bin."""
        return np.asarray(np.searchsorted(self.edges, values, side="left") == at, dtype=bool)


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

    def count(self, values: pd.Series) -> NDArray[np.int64]:
        """Count the characters of strings; the last entry counts the others."""
        found = count_characters(values)
        inside = [found[character] for character in self.levels]
        return np.array([*inside, found.total() - sum(inside)], dtype=np.int64)

    def among(self, values: pd.Series, at: int) -> NDArray[np.bool_]:
        """Return which strings have this character, or, for the last count, one that has none of its own."""
        if at < len(self.levels):
            return values.str.contains(self.levels[at], regex=False).to_numpy(dtype=bool)
        known = set(self.levels)
        return np.array([not known.issuperset(value) for value in values], dtype=bool)


Distribution = Annotated[Levels | Bins | Characters, Field(discriminator="kind")]


class Profile(BaseModel):
    """What is known of a dataset. ``skill`` is that of the task's own estimator on it, out of fold."""

    model_config = ConfigDict(frozen=True)

    task: str
    rows: int = Field(description="Rows that were left for training")
    data_sha256: str
    skill: float | None = Field(None, description="What learnability is measured by on new datasets")
    target: Distribution
    inputs: dict[str, dict[str, Distribution]] = Field(
        description="By column: 'values' of numbers, 'length' and 'characters' of strings"
    )
    created_at: datetime | None = Field(None, description="When it became the reference")
    blessed_by: str | None = Field(None, description="Who made it the reference")
    why: str | None = Field(None, description="Why it is the reference")


def profile_of(frame: pd.DataFrame, task: Task, *, data_sha256: str, skill: float | None = None) -> Profile:
    """Return the profile of a typed, cleaned frame."""
    return Profile(
        task=task.name,
        rows=len(frame),
        data_sha256=data_sha256,
        skill=None if skill is None else round(skill, 6),
        target=distribution_of(frame[task.contract.target.name].to_numpy()),
        inputs={
            column.name: {
                what: characters_of(values) if isinstance(values, pd.Series) else distribution_of(values)
                for what, values in aspects(frame, column).items()
            }
            for column in task.contract.features
        },
    )


def aspects(frame: pd.DataFrame, column: Column) -> dict[str, Any]:
    """Return what is counted of a column: numbers as an array, characters as the series of their strings."""
    values = frame[column.name]
    if column.type == "string" and column.categories is None:
        return {"length": values.str.len().to_numpy(dtype=np.int64), "characters": values}
    return {"values": values.to_numpy(dtype=object if column.type == "string" else None)}


def distribution_of(values: NDArray[Any]) -> Levels | Bins:
    """Count values one by one where there are few different ones, else in bins at quantiles."""
    found = np.unique(values)
    if len(found) <= MAX_LEVELS or values.dtype == object:
        levels = Levels(levels=tuple(found[:MAX_LEVELS].tolist()), counts=(), shares=())
        return levels.model_copy(update=_counted(levels.count(values)))
    edges = np.unique(np.quantile(values, QUANTILES, method="inverted_cdf"))
    edges = edges[edges < found[-1]] if edges[0] < found[-1] else found[-2:-1]
    bins = Bins(edges=tuple(edges.tolist()), counts=(), shares=(), minimum=found[0], maximum=found[-1])
    return bins.model_copy(update=_counted(bins.count(values)))


def characters_of(values: pd.Series) -> Characters:
    """Count the characters of strings."""
    found = sorted(count_characters(values).items(), key=lambda item: (-item[1], item[0]))
    characters = Characters(levels=tuple(c for c, _ in found[:MAX_CHARACTERS]), counts=(), shares=())
    return characters.model_copy(update=_counted(characters.count(values)))


def count_characters(values: pd.Series) -> Counter[str]:
    """Count the characters of strings, some rows at a time."""
    total: Counter[str] = Counter()
    for start in range(0, len(values), _CHUNK_ROWS):
        total.update("".join(values.iloc[start : start + _CHUNK_ROWS].tolist()))
    return total


def _counted(counts: NDArray[np.int64]) -> dict[str, Any]:
    shares = counts / max(int(counts.sum()), 1)
    return {"counts": tuple(counts.tolist()), "shares": tuple(np.round(shares, 6).tolist())}
