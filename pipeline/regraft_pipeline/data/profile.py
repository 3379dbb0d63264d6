"""The profile of a dataset: how its target and its inputs are distributed. What new datasets are held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from regraft_core.contract import Column
from regraft_pipeline.tasks import Task

MAX_LEVELS = 20
"""Most different values that are counted one by one; more are counted in bins."""

QUANTILES = (0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 0.999)
"""Upper edges of the bins. Heavy tails need the last three: without them a cut tail goes unnoticed."""

MAX_CHARACTERS = 100
"""Most characters that a profile counts one by one."""


@dataclass(frozen=True)
class Tally:
    """How many rows (or characters) there are of each value; the values differ and ascend."""

    values: NDArray[Any]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Self:
        """Count values."""
        found, counts = np.unique(values, return_counts=True)
        return cls(found, counts)

    @classmethod
    def of_characters(cls, words: Iterable[str]) -> Self:
        """Count the characters of strings."""
        codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        counts = np.bincount(codes)
        found = np.flatnonzero(counts)
        return cls(np.array([chr(code) for code in found.tolist()], dtype=object), counts[found])

    @classmethod
    def joined(cls, tallies: Sequence[Self]) -> Self:
        """Return the tally of everything that these count."""
        if len(tallies) == 1:
            return tallies[0]
        found, places = np.unique(np.concatenate([tally.values for tally in tallies]), return_inverse=True)
        counts = np.zeros(len(found), dtype=np.int64)
        np.add.at(counts, places, np.concatenate([tally.counts for tally in tallies]))
        return cls(found, counts)

    def total(self) -> int:
        """Return how many rows (or characters) were counted."""
        return int(self.counts.sum())

    def at(self, levels: Sequence[Any]) -> NDArray[np.int64]:
        """Return the counts of some values, and of all others together."""
        counts = dict(zip(self.values.tolist(), self.counts.tolist(), strict=True))
        inside = [counts.get(level, 0) for level in levels]
        return np.array([*inside, self.total() - sum(inside)], dtype=np.int64)

    def quantiles(self, shares: Sequence[float]) -> NDArray[Any]:
        """Return the least values up to which these shares of the rows go."""
        ranks = np.ceil(np.array(shares) * self.total() - 1e-9)
        quantiles: NDArray[Any] = self.values[np.searchsorted(np.cumsum(self.counts), ranks)]
        return quantiles


Tallies = Mapping[str, Mapping[str, Tally]]
"""By column: ``values`` of numbers and categories, ``length`` and ``characters`` of other strings."""


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

    def count(self, tally: Tally) -> NDArray[np.int64]:
        """Count values at these levels; the last entry counts the others."""
        return tally.at(self.levels)

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

    def count(self, tally: Tally) -> NDArray[np.int64]:
        """Count values in these bins."""
        counts = np.zeros(len(self.edges) + 1, dtype=np.int64)
        np.add.at(counts, np.searchsorted(self.edges, tally.values, side="left"), tally.counts)
        return counts

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

    def count(self, tally: Tally) -> NDArray[np.int64]:
        """Count these characters; the last entry counts the others."""
        return tally.at(self.levels)

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


def profile_of(data: pd.DataFrame | Tallies, task: Task, *, data_sha256: str, skill: float | None = None) -> Profile:
    """Return the profile of a typed, cleaned frame, or of the tallies of a dataset."""
    tallies = tallies_of([data], task) if isinstance(data, pd.DataFrame) else data
    target = tallies[task.contract.target.name]["values"]
    return Profile(
        task=task.name,
        rows=target.total(),
        data_sha256=data_sha256,
        skill=None if skill is None else round(skill, 6),
        target=distribution_of(target),
        inputs={
            column.name: {
                what: characters_of(tally) if what == "characters" else distribution_of(tally)
                for what, tally in tallies[column.name].items()
            }
            for column in task.contract.features
        },
    )


def tallies_of(frames: Iterable[pd.DataFrame], task: Task) -> Tallies:
    """Count what profiles say of a dataset, which comes in at least one typed frame."""
    found: dict[str, dict[str, list[Tally]]] = {}
    for frame in frames:
        for column in task.contract.columns:
            for what, values in aspects(frame, column).items():
                tally = Tally.of_characters(values) if what == "characters" else Tally.of(values)
                found.setdefault(column.name, {}).setdefault(what, []).append(tally)
    return {name: {what: Tally.joined(parts) for what, parts in of.items()} for name, of in found.items()}


def aspects(frame: pd.DataFrame, column: Column) -> dict[str, Any]:
    """Return what is counted of a column: numbers as an array, characters as the series of their strings."""
    values = frame[column.name]
    if column.type == "string" and column.categories is None:
        return {"length": values.str.len().to_numpy(dtype=np.int64), "characters": values}
    return {"values": values.to_numpy(dtype=object if column.type == "string" else None)}


def distribution_of(tally: Tally) -> Levels | Bins:
    """Count values one by one where there are few different ones, else in bins at quantiles."""
    found = tally.values
    if len(found) <= MAX_LEVELS or found.dtype == object:
        levels = Levels(levels=tuple(found[:MAX_LEVELS].tolist()), counts=(), shares=())
        return levels.model_copy(update=_counted(levels.count(tally)))
    edges = np.unique(tally.quantiles(QUANTILES))
    edges = edges[edges < found[-1]] if edges[0] < found[-1] else found[-2:-1]
    bins = Bins(edges=tuple(edges.tolist()), counts=(), shares=(), minimum=found[0], maximum=found[-1])
    return bins.model_copy(update=_counted(bins.count(tally)))


def characters_of(tally: Tally) -> Characters:
    """Count the most frequent characters one by one."""
    order = np.argsort(-tally.counts, kind="stable")[:MAX_CHARACTERS]
    characters = Characters(levels=tuple(tally.values[order].tolist()), counts=(), shares=())
    return characters.model_copy(update=_counted(characters.count(tally)))


def _counted(counts: NDArray[np.int64]) -> dict[str, Any]:
    shares = counts / max(int(counts.sum()), 1)
    return {"counts": tuple(counts.tolist()), "shares": tuple(np.round(shares, 6).tolist())}
