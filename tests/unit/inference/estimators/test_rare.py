"""Classes of few rows: they do not keep the others from being told apart, and stay what they are."""

import numpy as np
import pytest

from regraft_core.contract import Column, Contract
from regraft_inference.estimators.boosting import fit_boosted
from regraft_inference.estimators.encoding import Part
from regraft_inference.estimators.held_out import Table
from regraft_inference.estimators.tabular import AutoEstimator
from regraft_inference.estimators.training import fit_additive

RNG = np.random.default_rng(3)
ROWS = 240
SIZE = RNG.normal(size=ROWS)
USUAL = np.where(SIZE + RNG.normal(0, 0.3, ROWS) > 0, "large", "small").astype(object)
CONTRACT = Contract(
    task="sizes",
    features=(Column(name="size", type="number"),),
    target=Column(name="kind", type="string", categories=("large", "odd", "rare", "small")),
)


@pytest.mark.parametrize("rare", [("rare",), ("rare", "odd"), ("rare", "rare"), ("rare",) * 5])
def test_a_rare_class_leaves_choice_and_calibration_to_the_others(rare: tuple[str, ...]) -> None:
    target = USUAL.copy()
    target[: len(rare)] = rare
    fitted = AutoEstimator(CONTRACT, "classification").fit({"size": SIZE}, target)
    assert {"held_out_loss_additive", "held_out_loss_boosted"} <= set(fitted.parameters())
    usual = AutoEstimator(CONTRACT, "classification").fit({"size": SIZE}, USUAL)
    assert (fitted.predict({"size": SIZE}) == USUAL).mean() == pytest.approx(
        (usual.predict({"size": SIZE}) == USUAL).mean(), abs=0.02
    )
    said = fitted.probabilities({"size": SIZE})[:, fitted.classes.index("rare")].mean()
    assert said == pytest.approx(rare.count("rare") / ROWS, rel=0.7)


def test_the_only_row_of_a_class_is_never_held_out_and_every_other_once() -> None:
    target = np.array([0.0] * 20 + [1.0] * 9 + [2.0, 2.0, 3.0])
    table = Table(RNG.normal(size=(32, 1)), target, [Part(column="x", what="")], classes=4)
    for fit in (fit_additive, fit_boosted):
        held = fit(table).target
        assert sorted(held) == sorted(target[:-1])


@pytest.mark.parametrize("target", [[0.0] * 31 + [1.0], [0.0] * 30 + [1.0, 2.0]])
def test_where_one_class_alone_can_be_held_out_nothing_is(target: list[float]) -> None:
    parts = [Part(column="x", what="")]
    table = Table(RNG.normal(size=(32, 1)), np.array(target), parts, classes=len(set(target)))
    assert len(fit_additive(table).target) == len(fit_boosted(table).target) == 0
