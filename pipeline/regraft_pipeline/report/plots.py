"""Plots of a run, as SVG files, which MLflow's pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from regraft_core.contract import Column
from regraft_core.presentation.charts import (
    Axis,
    Bar,
    Chart,
    Plot,
    balance,
    bars,
    exact,
    share_bar,
    short,
    stack,
    surface,
    table,
)
from regraft_core.presentation.distributions import compared
from regraft_core.verdict import Verdict

CALIBRATION_BINS = 10
RESIDUAL_BINS = 41
MAX_POINTS = 1000
MAX_NAMED = 12
"""Most different values that a plot names one by one."""

MOST_COLUMNS = 25
"""Most columns whose importance is drawn."""

SHAPE_SIZE = 360, 220
"""Width and height of the shape of a column; bars are as wide."""

COUNTS, COUNTS_NOTE = "How much each column counts", "mean of what it adds or takes away, on the model's scale"
ADDS = "What each column adds at its values"

HEAVY_TAIL = 100.0
"""Largest value from which on the axes are logarithmic."""

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Truth and prediction of rows that the model had not seen, and the probabilities of the second class, if any."""

    target: Floats
    predicted: Floats
    probability: Floats | None = None

    @classmethod
    def read(cls, path: Path) -> HeldOut:
        """Read what the validate step left."""
        columns = {name: column.to_numpy() for name, column in zip(*_columns(path), strict=True)}
        return cls(columns["target"], columns["predicted"], columns.get("probability"))


class CurvePoint(BaseModel):
    """The error on rows not yet learned from, after so many rows."""

    rows: int
    rmsle: float


class Ngram(BaseModel):
    """A piece of an input and how much it speaks for a level."""

    ngram: str
    weight: float


class Importance(BaseModel):
    """How much a column adds to an answer in the mean, whether it adds or takes away."""

    column: str
    added: float


class Shape(BaseModel):
    """What a column adds to an answer, in the mean, at each of its values; None is a gap."""

    column: str
    unit: str = ""
    answer: str | None = Field(None, description="Of several classes the one whose score it is added to")
    values: list[float | str | None]
    added: list[float]

    @property
    def of_gaps(self) -> float | None:
        """What it adds where there is no value, None where there always is one."""
        return next((added for value, added in zip(self.values, self.added, strict=True) if value is None), None)

    @property
    def points(self) -> list[tuple[float, float]]:
        """What it adds at each number; none of words."""
        pairs = zip(self.values, self.added, strict=True)
        return [(value, added) for value, added in pairs if isinstance(value, float)]


class Pair(BaseModel):
    """What two columns add to an answer together, in the mean, by the values of both; None where none came."""

    columns: tuple[str, str]
    values: tuple[list[float | str | None], list[float | str | None]]
    added: list[list[float | None]]


class Training(BaseModel):
    """What an estimator tells of its training; what it does not tell is empty."""

    learning_curve: list[CurvePoint] = Field(default_factory=list)
    top_ngrams: dict[str, list[Ngram]] = Field(default_factory=dict, description="By level, the most telling first")
    importance: list[Importance] = Field(default_factory=list, description="By column, the largest first")
    shapes: list[Shape] = Field(default_factory=list, description="By column, that which adds most first")
    pairs: list[Pair] = Field(default_factory=list, description="The one that adds most first")
    scale: str = Field("", description="What shapes and pairs are told on, in words")


def draw(
    folder: Path, *, target: Column, is_classifier: bool, verdict: Verdict, held_out: HeldOut, training: Training
) -> None:
    """Draw all plots of a run; the name of a file says what it shows."""
    label = f"{target.name} [{target.unit}]" if target.unit else target.name
    files = {"predicted-against-actual": predicted_against_actual(held_out, label)}
    if not is_classifier:
        files["residuals"] = residuals(held_out, target)
    if held_out.probability is not None:
        files["reliability"] = reliability(held_out.target, held_out.probability, label)
    if verdict.comparisons:
        files["target-distribution"] = target_distribution(verdict)
    if training.learning_curve:
        files["learning-curve"] = learning_curve(training.learning_curve)
    if any(training.top_ngrams.values()):
        files["top-ngrams"] = top_ngrams(training.top_ngrams, label)
    if training.importance:
        files["importance"] = importance(training.importance, label).document(COUNTS, COUNTS_NOTE)
    if training.shapes:
        drawn = [*shapes(training.shapes), *pairs(training.pairs)]
        files["shapes"] = stack(drawn).document(ADDS, f"in the mean, on the scale: {training.scale}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in files.items():
        (folder / f"{name}.svg").write_text(document, encoding="utf-8")


def predicted_against_actual(held_out: HeldOut, label: str) -> str:
    """Return a table of counts where there are few different values, else a dot for each row."""
    title = "Predictions of rows the model has not seen"
    actual, predicted = np.unique(held_out.target), np.unique(held_out.predicted)
    if max(len(actual), len(predicted)) <= MAX_NAMED:
        names = [_named(value) for value in actual.tolist()], [_named(value) for value in predicted.tolist()]
        rows, columns = np.searchsorted(actual, held_out.target), np.searchsorted(predicted, held_out.predicted)
        counts = np.zeros((len(actual), len(predicted)), dtype=int)
        np.add.at(counts, (rows, columns), 1)
        return table(names, counts.tolist(), ("actual", "predicted")).document(title, f"{label}, number of rows")
    step = max(1, len(held_out.target) // MAX_POINTS)
    points = list(zip(held_out.target[::step].tolist(), held_out.predicted[::step].tolist(), strict=True))
    values = [value for point in points for value in point]
    bent = min(values) >= 0 and max(values) > HEAVY_TAIL
    x, y = (Axis.over(f"{what} {label}", values, bent=bent) for what in ("actual", "predicted"))
    plot = Plot(x, y, f"Predicted against actual {label}, {len(points)} rows")
    note = f"{len(points):,} of {len(held_out.target):,} rows; the broken line is where prediction and truth agree"
    return plot.line([(x.low, x.low), (x.high, x.high)], "ideal").points(points).chart().document(title, note)


def _named(value: float | str) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else short(value)


def residuals(held_out: HeldOut, target: Column) -> str:
    """Return how far predictions are from the truth: few different distances by name, else a histogram.

    Where the target has a heavy tail the distance is that of the logarithms, log(1 + predicted) - log(1 + actual).
    """
    unit = f" [{target.unit}]" if target.unit else ""
    name, found = f"predicted - actual {target.name}{unit}", held_out.predicted - held_out.target
    if held_out.target.min() >= 0 and held_out.target.max() > HEAVY_TAIL:
        found = np.log1p(np.maximum(held_out.predicted, 0)) - np.log1p(held_out.target)
        name = f"log(1 + predicted) - log(1 + actual), {target.name}"
    title, note = "Residuals of rows the model has not seen", f"mean {found.mean():.3g}, deviation {found.std():.3g}"
    values, counts = np.unique(found.round(6), return_counts=True)
    if len(values) <= MAX_NAMED:
        shares = (counts / len(found)).tolist()
        named = [share_bar(f"{value:+g}" if value else "0", share) for value, share in zip(values, shares, strict=True)]
        return bars(named, f"Share of rows by {name}").document(title, f"{name}: {note}")
    low, high = np.quantile(found, (0.001, 0.999))
    heights, edges = np.histogram(found.clip(low, high), bins=RESIDUAL_BINS)
    shares = (100 * heights / len(found)).tolist()
    x, y = Axis(name, float(edges[0]), float(edges[-1])), Axis.over("rows [%]", shares, zero=True)
    chart = Plot(x, y, f"Histogram of {name}").columns(edges.tolist(), shares).line([(0, 0), (0, y.high)], "ideal")
    return chart.chart().document(title, f"{note}; the outermost columns hold what is beyond")


def reliability(target: Floats, probability: Floats, label: str) -> str:
    """Return, by predicted probability, the share of rows of the second class; calibrated is on the line."""
    bins = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    second = target == target.max()
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = np.flatnonzero(rows)
    said = (np.bincount(bins, probability, CALIBRATION_BINS)[used] / rows[used]).tolist()
    came = (np.bincount(bins, second, CALIBRATION_BINS)[used] / rows[used]).tolist()
    error = sum(n * abs(a - b) for n, a, b in zip(rows[used].tolist(), said, came, strict=True)) / len(bins)
    points = list(zip(said, came, strict=True))
    axes = (
        Axis("predicted probability", 0.0, 1.0),
        Axis(f"share of rows with {label} {target.max()}", 0.0, 1.0),
    )
    plot = Plot(*axes, f"Reliability diagram; expected calibration error {error:.3f}").line([(0, 0), (1, 1)], "ideal")
    plot.line(points).knots(zip(points, (f"{n:,}" for n in rows[used].tolist()), strict=True))
    note = f"expected calibration error {error:.3f}; numbers are rows; the broken line is calibrated"
    return plot.chart().document("Reliability of probabilities", note)


def target_distribution(verdict: Verdict) -> str:
    """Return the shares of the target's values, each beside that of the reference."""
    found = compared(verdict)[0]
    return found.chart().document(found.title, f"{found.note}; green: this dataset, grey: the reference")


def learning_curve(curve: list[CurvePoint]) -> str:
    """Return the error by the rows learned from."""
    points = [(float(point.rows), point.rmsle) for point in curve]
    x = Axis.over("rows learned from", (rows for rows, _ in points), bent=True)
    y = Axis.over("RMSLE", (error for _, error in points))
    chart = Plot(x, y, f"RMSLE from {points[0][1]:.3f} to {points[-1][1]:.3f}").line(points)
    ends = [points[0], points[-1]][-min(len(points), 2) :]
    return (
        chart.knots((end, f"{end[1]:.3f}") for end in ends)
        .chart()
        .document("Learning curve", "error on rows not yet learned from; less is better")
    )


def top_ngrams(levels: dict[str, list[Ngram]], label: str) -> str:
    """Return a chart for each level: the n-grams that speak most for it, by weight."""
    parts: list[tuple[str, Chart]] = []
    for level, found in levels.items():
        if not found:
            continue
        named = [Bar(_visible(one.ngram), one.weight, said=(f"{one.weight:.2f}", "")) for one in found]
        said = ", ".join(f"{bar.name} {bar.said[0]}" for bar in named)
        parts.append((f"{label} {level}", bars(named, said, code=True)))
    return stack(parts).document("Most telling n-grams of each level", "by weight; ^ and $ are the ends, ␣ is a space")


def importance(found: list[Importance], label: str) -> Chart:
    """Return a bar for each column: how much it adds to answers, in the mean; the smallest are left out."""
    named = [Bar(one.column, one.added, said=(f"{one.added:.3g}", "")) for one in found[:MOST_COLUMNS]]
    return bars(
        named, f"How much each column adds to {label}: " + ", ".join(f"{bar.name} {bar.said[0]}" for bar in named)
    )


def shapes(found: list[Shape]) -> list[tuple[str, Chart]]:
    """Return a title and a chart for each column: what it adds at its values; numbers share their upward axis."""
    drawn = found[: MOST_COLUMNS * max(1, len({one.answer for one in found}))]
    y = Axis.over("", (added for one in drawn for _, added in one.points), zero=True)
    return [(_titled(one), _shape(one, y)) for one in drawn]


def pairs(found: list[Pair]) -> list[tuple[str, Chart]]:
    """Return a title and a chart for each pair of columns: what they add together, beyond what each adds alone."""
    drawn = []
    for one in found[:MOST_COLUMNS]:
        first, second = map(_names, one.values)
        drawn.append((" with ".join(one.columns), surface((first, second), one.added, one.columns)))
    return drawn


def _titled(shape: Shape) -> str:
    gaps = "" if not shape.points or shape.of_gaps is None else f", without a value {shape.of_gaps:+.3g}"
    return f"{shape.column}{'' if shape.answer is None else f' for {shape.answer}'}{gaps}"


def _names(values: Sequence[float | str | None]) -> list[str]:
    """Return values in a few characters each: numbers in as few digits as tell them apart."""
    numbers = [value for value in values if isinstance(value, float)]
    digits = next((some for some in range(3, 17) if len({f"{one:.{some}g}" for one in numbers}) == len(numbers)), 17)
    return ["gap" if one is None else exact(one, digits) if isinstance(one, float) else one for one in values]


def _shape(shape: Shape, y: Axis) -> Chart:
    label = f"from {min(shape.added):+.3g} to {max(shape.added):+.3g}"
    if not shape.points:
        names = ["no value" if value is None else str(value) for value in shape.values]
        both = zip(names, shape.added, strict=True)
        return balance([Bar(name, added, said=(f"{added:+.3g}", "")) for name, added in both], label)
    x = Axis.over(shape.unit, (number for number, _ in shape.points))
    plot = Plot(x, y, label, width=SHAPE_SIZE[0], height=SHAPE_SIZE[1])
    return plot.line([(x.low, 0), (x.high, 0)], "ideal").line(shape.points).points(shape.points).chart()


def _visible(ngram: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in ngram.replace(" ", "␣"))


def _columns(path: Path) -> tuple[list[str], list[Any]]:
    table_ = pq.read_table(path)
    return table_.column_names, table_.columns
