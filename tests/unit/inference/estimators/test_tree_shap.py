"""TreeSHAP values that are looked up are those that LightGBM finds itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from regraft_inference.estimators.tree_shap import MOST_LEAVES, MOST_TREES, TreeShap
from regraft_inference.estimators.tree_text import parsed
from regraft_inference.estimators.trees import TreesModel

type Floats = NDArray[np.float64]

LARGEST = np.finfo(np.float64).max


def rows_of(parts: int, rows: int, seed: int = 0) -> Floats:
    """Return rows of numbers, codes and flags; in each part but the first some are gaps, and one is none but gaps."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, parts)).round(1)
    matrix[:, 1::3] = rng.integers(0, 5, matrix[:, 1::3].shape)
    matrix[:, 2::5] = rng.integers(0, 2, matrix[:, 2::5].shape)
    matrix[:, 1:][rng.random((rows, parts - 1)) < 0.15] = np.nan
    matrix[rng.random(matrix.shape) < 0.01] = 1e300
    return matrix


def trained(matrix: Floats, outputs: int = 1, trees: int = 25, **settings: Any) -> TreesModel:
    there = np.nan_to_num(matrix, posinf=1.0)
    target = there[:, 0].clip(-3, 3) * there[:, -1].clip(0, 3) + np.isnan(matrix).sum(axis=1)
    if outputs > 1:
        target = np.digitize(target, np.quantile(target, np.linspace(0, 1, outputs + 1)[1:-1]))
    chosen: dict[str, Any] = {
        "objective": "regression" if outputs == 1 else "multiclass",
        "num_class": outputs,
        "num_leaves": MOST_LEAVES,
        "min_data_in_leaf": 5,
        "verbosity": -1,
    }
    booster = lightgbm.train(chosen | settings, lightgbm.Dataset(matrix, target), trees)
    text = booster.model_to_string().partition("end of trees")[0] + "end of trees\n"
    return TreesModel(text, parts=matrix.shape[1], outputs=outputs)


@pytest.mark.parametrize("parts", [1, 9, 40])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("leaves", [2, 5, MOST_LEAVES])
def test_values_are_those_of_lightgbm(parts: int, outputs: int, leaves: int) -> None:
    model = trained(rows_of(parts, 400), outputs, num_leaves=leaves)
    asked = rows_of(parts, 300, seed=1)
    scores, added = model.explained(asked)
    assert not model.explains_slowly
    np.testing.assert_allclose(added, model.own_contributions(asked), rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.intercept + added.sum(axis=1), scores, rtol=0, atol=1e-11)


def test_a_path_may_go_down_all_the_way() -> None:
    matrix = np.random.default_rng(1).random((2000, 7))
    target = np.exp2((matrix > 0.3).cumprod(axis=1).sum(axis=1))  # each part tells more only where all before do
    settings = {"num_leaves": MOST_LEAVES, "min_data_in_leaf": 1, "learning_rate": 1.0, "verbosity": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(matrix, target), 3)
    text = booster.model_to_string().partition("end of trees")[0] + "end of trees\n"
    assert booster.trees_to_dataframe()["node_depth"].max() == MOST_LEAVES
    model = TreesModel(text, parts=7, outputs=1)
    _, added = model.explained(matrix)
    np.testing.assert_allclose(added, model.own_contributions(matrix), rtol=1e-12, atol=1e-11)


def test_a_row_has_the_same_values_alone_and_among_many() -> None:
    model, asked = trained(rows_of(9, 400), trees=300), rows_of(9, 500, seed=2)
    _, together = model.explained(asked)
    for row in range(0, 500, 50):
        assert (model.explained(asked[row : row + 1])[1] == together[row]).all()


def test_numbers_at_a_threshold_go_left() -> None:
    matrix = rows_of(3, 400)
    model = trained(matrix, max_bin=8)
    trees = parsed(model.text, parts=3, outputs=1)
    cuts = np.unique(trees.thresholds[np.isfinite(trees.thresholds)])
    cuts = np.append(cuts, [-1e-35, -1e-36, -5e-324, 0.0, 5e-324, 1e-36, 1e-35, 2e-35])  # to LightGBM all but one are 0
    asked = np.array([[x, y, x] for cut in cuts for x in (cut, np.nextafter(cut, np.inf)) for y in (cut, np.nan)])
    _, added = model.explained(asked)
    np.testing.assert_allclose(added, model.own_contributions(asked), rtol=0, atol=1e-12)


def test_gaps_in_a_part_that_had_none_are_zeros() -> None:
    model = trained(np.random.default_rng(1).normal(size=(400, 2)) + 5)
    asked = np.array([[np.nan, 5.0], [0.0, np.nan], [-1e300, 1e300]])
    np.testing.assert_allclose(model.explained(asked)[1], model.own_contributions(asked), rtol=0, atol=1e-12)


def test_thresholds_may_be_as_large_as_numbers_are() -> None:
    matrix: Floats = np.random.default_rng(1).choice(np.array([-LARGEST, 0.0, LARGEST, np.nan]), (400, 2))
    model = trained(matrix)
    _, added = model.explained(matrix)
    np.testing.assert_allclose(added, model.own_contributions(matrix), rtol=0, atol=1e-12)


def test_very_many_trees_are_left_to_lightgbm() -> None:
    trees = parsed(trained(rows_of(2, 400)).text, parts=2, outputs=1)
    assert TreeShap.fits(trees)
    assert not TreeShap.fits(replace(trees, leaves=np.full(MOST_TREES + 1, 2)))


@pytest.mark.parametrize("settings", [{"num_leaves": MOST_LEAVES + 1}, {"zero_as_missing": True}])
def test_other_trees_are_left_to_lightgbm(settings: dict[str, Any]) -> None:
    matrix = rows_of(4, 400)
    model = trained(matrix, **settings)
    assert not TreeShap.fits(parsed(model.text, parts=4, outputs=1))
    scores, added = model.explained(matrix)
    assert model.explains_slowly
    np.testing.assert_allclose(model.intercept + added.sum(axis=1), scores, rtol=0, atol=1e-6)


def test_the_first_time_is_slow() -> None:
    model = trained(rows_of(4, 400))
    assert model.explains_slowly
    model.explained(rows_of(4, 1))
    assert not model.explains_slowly


def test_no_rows_have_no_values() -> None:
    model = trained(rows_of(4, 400))
    assert model.explained(np.zeros((0, 4)))[1].shape == (0, 4, 1)
