"""Counts what a profile says of a dataset: how its target and its inputs are distributed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.contract import Column
from regraft_core.profile import (
    CONFIDENCE_EDGES,
    MISSING,
    THERE,
    WEEKDAYS,
    Bins,
    Characters,
    Confidence,
    Distribution,
    Levels,
    Profile,
    Scale,
)
from regraft_pipeline.tasks import Task

MAX_LEVELS = 20
"""Most different values that are counted one by one; more are counted in bins."""

QUANTILES = (0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 0.999)
"""Upper edges of the bins. Heavy tails need the last three: without them a cut tail goes unnoticed."""

MAX_CHARACTERS = 100
"""Most characters that a profile counts one by one."""


MAX_DIFFERENT = 100_000
"""Most different values of an open string that are counted; of more nothing is said."""

MAX_DIFFERENT_SHARE = 0.5
"""Largest share of the rows that may have a value of their own where an open string's values are counted."""


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


def count(distribution: Distribution, tally: Tally) -> NDArray[np.int64]:
    """Count values in the bins or at the levels of a distribution; of levels the last entry counts the others."""
    if not isinstance(distribution, Bins):
        return tally.at(distribution.levels)
    counts = np.zeros(len(distribution.edges) + 1, dtype=np.int64)
    np.add.at(counts, np.searchsorted(distribution.edges, tally.values, side="left"), tally.counts)
    return counts


def among(distribution: Distribution, values: Any, at: int) -> NDArray[np.bool_]:
    """Return which values belong to one count of a distribution.

    Of characters the values are a series of strings: those that have this character, or, for the last count, one that
    has no count of its own.
    """
    if isinstance(distribution, Bins):
        return np.asarray(np.searchsorted(distribution.edges, values, side="left") == at, dtype=bool)
    last = at == len(distribution.levels)
    if isinstance(distribution, Levels):
        if last:
            return ~np.isin(values, np.array(distribution.levels, dtype=values.dtype))
        return np.asarray(values == distribution.levels[at], dtype=bool)
    if last:
        known = set(distribution.levels)
        return np.array([not known.issuperset(value) for value in values], dtype=bool)
    found: NDArray[np.bool_] = values.str.contains(distribution.levels[at], regex=False).to_numpy(dtype=bool)
    return found


def profile_of(
    data: pd.DataFrame | Tallies,
    task: Task,
    *,
    data_sha256: str,
    skill: float | None = None,
    scale: Scale | None = None,
    predicted: NDArray[Any] | None = None,
    confidence: Confidence | None = None,
) -> Profile:
    """Return the profile of a typed, cleaned frame, or of the tallies of a dataset.

    ``predicted`` are a model's answers for rows that it had not seen.
    """
    tallies = tallies_of([data], task) if isinstance(data, pd.DataFrame) else data
    target = tallies[task.contract.target.name]["values"]
    return Profile(
        task=task.name,
        rows=target.total(),
        data_sha256=data_sha256,
        skill=None if skill is None else round(skill, 6),
        scale=scale,
        target=distribution_of(target),
        predictions=None if predicted is None else predictions_of(predicted),
        confidence=confidence,
        inputs={
            column.name: {
                what: characters_of(tally) if what == "characters" else _distribution(column, what, tally)
                for what, tally in tallies[column.name].items()
                if _tells(column, what, tally)
            }
            for column in task.contract.features
        },
    )


def _distribution(column: Column, what: str, tally: Tally) -> Levels | Bins:
    return distribution_of(tally, days=column.is_time and what == "values")


def _tells(column: Column, what: str, tally: Tally) -> bool:
    """Whether an aspect says anything: there are rows, and the values of an open string come again and again."""
    if not column.is_open or what != "values":
        return tally.total() > 0
    return 0 < len(tally.values) <= min(MAX_DIFFERENT, tally.total() * MAX_DIFFERENT_SHARE)


def tallies_of(frames: Iterable[pd.DataFrame], task: Task) -> Tallies:
    """Count what profiles say of a dataset, which comes in at least one typed frame."""
    found: dict[str, dict[str, list[Tally]]] = {}
    for frame in frames:
        for column in task.contract.columns:
            for what, values in aspects(frame, column).items():
                parts = found.setdefault(column.name, {}).setdefault(what, [])
                if column.is_open and what == "values" and sum(len(part.values) for part in parts) > MAX_DIFFERENT:
                    continue  # too many different ones to say anything of, or to keep
                parts.append(Tally.of_characters(values) if what == "characters" else Tally.of(values))
    return {name: {what: Tally.joined(parts) for what, parts in of.items()} for name, of in found.items()}


def aspects(frame: pd.DataFrame, column: Column) -> dict[str, Any]:
    """Return what is counted of a column: numbers as an array, characters as the series of their strings.

    Of a column with gaps whether a value is missing is counted for every row, all else of the rows that have one.
    """
    values = frame[column.name]
    if not column.nullable:
        return _present(values, column)
    missing = values.isna().to_numpy(dtype=bool)
    gaps = {"missing": np.where(missing, MISSING, THERE).astype(object)}
    return gaps | _present(values[~missing], column)


def rows_of(frame: pd.DataFrame, column: Column, what: str) -> pd.DataFrame:
    """Return the rows that an aspect counts."""
    return frame if what == "missing" or not column.nullable else frame[frame[column.name].notna()]


def _present(values: pd.Series, column: Column) -> dict[str, Any]:
    if column.is_open:
        lengths = values.str.len().to_numpy(dtype=np.int64)
        found = {"length": lengths, "characters": values}
        return found | {"values": values.to_numpy(dtype=object)} if column.type == "string" else found
    if column.type == "string":
        return {"values": values.to_numpy(dtype=object)}
    if column.type == "boolean":
        return {"values": _plain(values.to_numpy(dtype=bool))}
    if column.is_time:
        times = values.to_numpy(dtype="datetime64[us]")
        days = times.astype("datetime64[D]").astype(np.int64)
        return {"values": days, "weekday": np.array(WEEKDAYS, dtype=object)[(days + 3) % 7]}
    return {"values": values.to_numpy()}


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return booleans as words, and words as objects, as levels have them."""
    if values.dtype == np.bool_:
        return np.where(values, "true", "false").astype(object)
    return values if values.dtype.kind in "iuf" else values.astype(object)


def distribution_of(tally: Tally, *, days: bool = False) -> Levels | Bins:
    """Count values one by one where there are few different ones, else in bins at quantiles; of words the frequent."""
    found = tally.values
    if found.dtype == object and len(found) > MAX_LEVELS:
        return _most_frequent(tally)
    if found.dtype == object or (len(found) <= MAX_LEVELS and not days):
        levels = Levels(levels=tuple(found.tolist()), counts=(), shares=())
        return levels.model_copy(update=_counted(count(levels, tally)))
    edges = np.unique(tally.quantiles(QUANTILES))
    if edges[0] < found[-1]:
        edges = edges[edges < found[-1]]
    elif len(found) > 1:
        edges = found[-2:-1]
    bins = Bins(edges=tuple(edges.tolist()), counts=(), shares=(), minimum=found[0], maximum=found[-1], days=days)
    return bins.model_copy(update=_counted(count(bins, tally)))


def _most_frequent(tally: Tally) -> Levels:
    """Count the most frequent words, each as often as it is to be expected in other rows of the kind.

    Which of many words are the most frequent is partly chance, and so they are less frequent in any other rows. Each
    count is drawn to the mean of all by the part of their variance that chance explains (a Poisson variable's is its
    mean; Efron and Morris, "Data Analysis Using Stein's Estimator", 1975): words of equal frequency all the way.
    """
    chosen = np.sort(np.argsort(-tally.counts, kind="stable")[:MAX_LEVELS])
    mean = tally.counts.mean()
    real = max(tally.counts.var() - mean, 0.0)
    expected = np.rint(mean + (tally.counts[chosen] - mean) * real / (real + mean)).astype(np.int64)
    levels = Levels(levels=tuple(tally.values[chosen].tolist()), counts=(), shares=())
    return levels.model_copy(update=_counted(np.append(expected, max(tally.total() - int(expected.sum()), 0))))


def predictions_of(predicted: NDArray[Any]) -> Levels | Bins:
    """Count a model's answers: labels and whole numbers as a target's, others in bins with edges between answers.

    A model that is fitted anew to a few more rows gives nearly the same answers: none of them moves into another bin.
    """
    tally = Tally.of(_plain(predicted))
    found = tally.values
    if found.dtype.kind != "f" or len(found) < 2:
        return distribution_of(tally)
    places = np.unique(np.minimum(np.searchsorted(found, tally.quantiles(QUANTILES)), len(found) - 2))
    edges = np.unique((found[places] + found[places + 1]) / 2)
    bins = Bins(edges=tuple(edges.tolist()), counts=(), shares=(), minimum=found[0], maximum=found[-1])
    return bins.model_copy(update=_counted(count(bins, tally)))


def confidence_of(
    of: Literal["second", "answered"], probabilities: NDArray[np.float64], true: NDArray[np.bool_]
) -> Confidence:
    """Count how often it came true what a classifier was so sure of."""
    places = np.searchsorted(CONFIDENCE_EDGES, probabilities, side="left")
    bins = len(CONFIDENCE_EDGES) + 1
    counts, came_true = np.bincount(places, minlength=bins), np.bincount(places[true], minlength=bins)
    return Confidence(of=of, counts=tuple(counts.tolist()), true=tuple(came_true.tolist()))


def characters_of(tally: Tally) -> Characters:
    """Count the most frequent characters one by one."""
    order = np.argsort(-tally.counts, kind="stable")[:MAX_CHARACTERS]
    characters = Characters(levels=tuple(tally.values[order].tolist()), counts=(), shares=())
    return characters.model_copy(update=_counted(count(characters, tally)))


def _counted(counts: NDArray[np.int64]) -> dict[str, Any]:
    shares = counts / max(int(counts.sum()), 1)
    return {"counts": tuple(counts.tolist()), "shares": tuple(np.round(shares, 6).tolist())}
