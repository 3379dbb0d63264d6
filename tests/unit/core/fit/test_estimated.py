"""The estimate agrees with the truth within its error, however sure the model is and the requests drift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from regraft_core.fit.estimated import estimated_of
from regraft_core.profile import CONFIDENCE_EDGES, Confidence
from regraft_pipeline.data.profile import confidence_of

type Floats = NDArray[np.float64]

WORLDS = 60


def world(
    rng: np.random.Generator, rows: int, *, stretch: float, center: float = 0.0
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what a model says of rows, whose log odds it stretches, and what is true."""
    odds = rng.normal(center, 2.0, rows)
    truth = rng.random(rows) < 1 / (1 + np.exp(-odds))
    return 1 / (1 + np.exp(-stretch * odds)), truth


def counts_of(probabilities: Floats) -> list[int]:
    return list(confidence_of("second", probabilities, probabilities > 2).counts)


@pytest.mark.parametrize("center", [0.0, 1.5], ids=["as held out", "drifted"])
@pytest.mark.parametrize("stretch", [1.0, 0.7, 1.5], ids=["calibrated", "too modest", "too sure"])
def test_of_two_classes_accuracy_and_area_are_right_within_their_errors(stretch: float, center: float) -> None:
    away: dict[str, list[float]] = {"accuracy": [], "roc_auc": []}
    for seed in range(WORLDS):
        rng = np.random.default_rng(seed)
        known = confidence_of("second", *world(rng, 1000, stretch=stretch))
        said, truth = world(rng, 2000, stretch=stretch, center=center)
        found = estimated_of(known, counts_of(said))
        true = {"accuracy": ((said > 0.5) == truth).mean(), "roc_auc": roc_auc_score(truth, said)}
        for name, off in away.items():
            off.append((found[name] - true[name]) / found[f"{name}_standard_error"])
    for off in away.values():
        assert abs(np.mean(off)) < 0.6
        assert np.std(off) < 1.3
        assert np.max(np.abs(off)) < 4.5


def test_of_many_classes_the_accuracy_is_right_within_its_error() -> None:
    off = []
    for seed in range(WORLDS):
        rng = np.random.default_rng(seed)

        def answers(rows: int, spread: float, rng: np.random.Generator = rng) -> tuple[Floats, NDArray[np.bool_]]:
            odds = np.exp(rng.normal(0, spread, (rows, 4)))
            each = odds / odds.sum(axis=1, keepdims=True)
            truth = (rng.random((rows, 1)) > each.cumsum(axis=1)).sum(axis=1)
            return each.max(axis=1), each.argmax(axis=1) == truth

        said, right = answers(2000, 1.5)
        found = estimated_of(confidence_of("answered", *answers(1000, 2.0)), counts_of(said))
        assert found.keys() == {"accuracy", "accuracy_standard_error"}
        off.append((found["accuracy"] - right.mean()) / found["accuracy_standard_error"])
    assert abs(np.mean(off)) < 0.6
    assert np.std(off) < 1.3


def test_nothing_is_estimated_of_no_answers_and_all_figures_are_finite() -> None:
    bins = len(CONFIDENCE_EDGES) + 1
    nothing = Confidence(of="second", counts=(0,) * bins, true=(0,) * bins)
    assert estimated_of(nothing, [0] * bins) == {}
    for place in range(bins):
        counts = [0] * bins
        counts[place] = 200
        found = estimated_of(nothing, counts)
        assert all(math.isfinite(value) for value in found.values())
        assert 0.5 <= found["accuracy"] <= 1
        assert found["roc_auc"] == pytest.approx(0.5)


def test_a_half_is_the_first_class() -> None:
    assert CONFIDENCE_EDGES[28] == 0.5
    known = confidence_of("second", np.full(1000, 0.5), np.zeros(1000, dtype=bool))
    assert estimated_of(known, counts_of(np.full(500, 0.5)))["accuracy"] > 0.99
