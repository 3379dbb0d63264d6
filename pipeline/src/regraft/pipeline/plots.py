"""Plots of a run, as PNG files. Drawn without a display, and without pyplot's global state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regraft.core.verdict import Verdict
from regraft.pipeline.gates import Profile
from regraft.pipeline.tasks import Task

CALIBRATION_BINS = 8
MAX_POINTS = 2000
HEAVY_TAIL = 100.0
"""Largest value from which on the axes are logarithmic."""


def draw(folder: Path, task: Task, verdict: Verdict, held_out: pd.DataFrame) -> None:
    """Draw all plots of a run: ``held_out`` has target, predicted and, for classifiers that give it, probability."""
    folder.mkdir(parents=True, exist_ok=True)
    target = task.contract.target
    label = f"{target.name} [{target.unit}]" if target.unit else target.name
    figures: dict[str, Figure] = {}
    if task.kind == "regression":
        figures["predicted-against-actual"] = predicted_against_actual(held_out, label)
    else:
        figures["confusion"] = confusion(held_out, label)
    if "probability" in held_out:
        figures["calibration"] = calibration(held_out, label)
    if verdict.profile and verdict.reference:
        figures["target-distribution"] = target_distribution(
            Profile.model_validate(verdict.profile), Profile.model_validate(verdict.reference), label
        )
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")


def predicted_against_actual(held_out: pd.DataFrame, label: str) -> Figure:
    """Return a point for each held-out row; a right one is on the line. Heavy tails get logarithmic axes."""
    rows = held_out.iloc[:: max(1, len(held_out) // MAX_POINTS)]
    figure, axes = _figure("Held-out predictions", f"actual {label}", f"predicted {label}")
    axes.plot(rows["target"], rows["predicted"], "o", alpha=0.3, markersize=4)
    limits = [float(min(rows.min())), float(max(rows.max()))]
    axes.plot(limits, limits, color="black", linewidth=0.8)
    if limits[0] >= 0 and limits[1] > HEAVY_TAIL:
        axes.set_xscale("symlog")
        axes.set_yscale("symlog")
    return figure


def confusion(held_out: pd.DataFrame, label: str) -> Figure:
    """Return how many rows of each class were predicted as each class."""
    table = pd.crosstab(held_out["target"], held_out["predicted"])
    figure, axes = _figure("Held-out predictions", f"predicted {label}", f"actual {label}")
    axes.imshow(table.to_numpy(), cmap="Blues")
    axes.set_xticks(range(table.shape[1]), [str(name) for name in table.columns])
    axes.set_yticks(range(table.shape[0]), [str(name) for name in table.index])
    middle = table.to_numpy().max() / 2
    for (row, column), count in np.ndenumerate(table.to_numpy()):
        axes.text(column, row, f"{count:,}", ha="center", color="white" if count > middle else "black")
    return figure


def calibration(held_out: pd.DataFrame, label: str) -> Figure:
    """Return, by predicted probability, the share of rows of the second class; well calibrated is on the line."""
    bins = (held_out["probability"] * CALIBRATION_BINS).astype(int).clip(upper=CALIBRATION_BINS - 1)
    second = held_out["target"] == held_out["target"].max()
    means = pd.DataFrame({"predicted": held_out["probability"], "actual": second}).groupby(bins).mean()
    figure, axes = _figure("Calibration", "predicted probability", f"share of the second class of {label}")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.plot(means["predicted"], means["actual"], "o-")
    return figure


def target_distribution(profile: Profile, reference: Profile, label: str) -> Figure:
    """Return the shares of the target's values beside those of the reference."""
    figure, axes = _figure("Target", label, "share of rows")
    labels = list(dict.fromkeys([*reference.target.labels, *profile.target.labels]))
    for offset, (name, found) in zip((-0.2, 0.2), (("reference", reference), ("this dataset", profile)), strict=True):
        shares = dict(zip(found.target.labels, found.target.shares, strict=False))
        axes.bar(np.arange(len(labels)) + offset, [shares.get(key, 0.0) for key in labels], 0.4, label=name)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.legend()
    return figure


def _figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4.5), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes
