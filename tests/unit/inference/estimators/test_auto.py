"""The estimator for any table, in a bundle and by itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft_core.contract import Column, Contract
from regraft_inference.bundle import Bundle, BundleInfo, write_bundle
from regraft_inference.estimators import held_out
from regraft_inference.estimators.boosting import WIDE_BINS, fit_boosted
from regraft_inference.estimators.encoding import TEXT_PARTS, Encoding, Part
from regraft_inference.estimators.held_out import MOST_ADDITIVE_PARTS, Table
from regraft_inference.estimators.tabular import AutoEstimator
from regraft_inference.estimators.trees import TreesModel

MOST_PARTS = 10
"""Above so many parts a table counts as wide in a test that would take long with as many as there really are."""

LABELS = ("high", "low", "middle")
FEATURES = (
    Column(name="size", type="number", nullable=True),
    Column(name="rooms", type="integer", nullable=True),
    Column(name="floor", type="integer"),
    Column(name="garden", type="boolean", nullable=True),
    Column(name="lift", type="boolean"),
    Column(name="district", type="string", categories=("east", "west"), nullable=True),
    Column(name="street", type="string"),
    Column(name="notes", type="text", nullable=True),
    Column(name="built", type="date", nullable=True),
    Column(name="seen", type="datetime"),
)
COLUMNS: dict[str, Any] = {
    "size": np.array([30.0, np.nan, 50.0, 90.0] * 30),
    "rooms": np.array([1.0, 2.0, np.nan, 4.0] * 30),
    "floor": np.array([1, 2, 3, 4] * 30),
    "garden": np.array([1.0, 0.0, np.nan, 0.0] * 30),
    "lift": np.array([True, False, True, True] * 30),
    "district": ["east", None, "west", "west"] * 30,
    "street": ["Elm", "Oak", "Oak", "Ash"] * 29 + ["Once", "Oak", "Oak", "Ash"],
    "notes": ["bright and quiet", None, "loud", ""] * 30,
    "built": np.array(["1999-12-31", "NaT", "2024-02-29", "1970-01-01"] * 30, dtype="datetime64[us]"),
    "seen": np.array(["2024-02-29T13:00:05", "2024-03-04", "2024-03-05", "1969-12-31T23:59:59"] * 30, "datetime64[us]"),
}


def contract(target: Column) -> Contract:
    return Contract(task="flats", features=FEATURES, target=target)


PRICE = contract(Column(name="price", type="number"))
LEVEL = contract(Column(name="level", type="string", categories=LABELS))
SOLD = contract(Column(name="sold", type="boolean"))


def one(column: Column, values: Any) -> list[list[float]]:
    alone = Contract(task="flats", features=(column,), target=Column(name="y", type="number"))
    found: list[list[float]] = Encoding.learn(alone, {column.name: values}).matrix({column.name: values}).tolist()
    return found


def test_the_matrix_has_the_layout_that_is_documented() -> None:
    encoding = Encoding.learn(PRICE, COLUMNS)
    assert encoding.matrix(COLUMNS).shape == (120, len(encoding.parts))
    assert [part.levels for part in encoding.parts if part.column in ("district", "street")] == [2, 3, None]
    assert sum(part.column == "notes" for part in encoding.parts) == TEXT_PARTS + 2


def test_dates_are_years_months_days_and_weekdays() -> None:
    seen = COLUMNS["seen"][:4]
    found = one(FEATURES[9], seen)
    assert [row[1:] for row in found] == [
        [2024, 2, 29, 3, 13, 46805],
        [2024, 3, 4, 0, 0, 0],
        [2024, 3, 5, 1, 0, 0],
        [1969, 12, 31, 2, 23, 86399],
    ]
    assert np.isnan(one(FEATURES[8], COLUMNS["built"][:2])[1]).all()


def test_values_that_were_never_seen_are_gaps() -> None:
    encoding = Encoding.learn(PRICE, COLUMNS)
    new = COLUMNS | {"street": ["New road"] * 120, "district": ["north"] * 120}
    parts = [index for index, part in enumerate(encoding.parts) if part.column in ("street", "district")]
    assert np.isnan(encoding.matrix(new)[:, [parts[0], parts[1]]]).all()


@pytest.mark.parametrize(
    ("of", "target"),
    [
        (PRICE, np.array([1.0, 2.0, 3.0, 4.0] * 30)),
        (LEVEL, np.array(["low", "middle", "middle", "high"] * 30, dtype=object)),
        (SOLD, np.array([True, False, False, True] * 30)),
    ],
)
def test_a_bundle_of_all_types_repeats_its_golden_requests(of: Contract, target: Any, tmp_path: Path) -> None:
    problem = "regression" if of is PRICE else "classification"
    estimator = AutoEstimator.for_task(of, problem).fit(COLUMNS, target)
    info = BundleInfo(
        task=of.task,
        run_id="run-1",
        data_sha256="0" * 64,
        estimator="auto",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    golden = {name: values[:20] for name, values in COLUMNS.items()}
    write_bundle(tmp_path / "bundle", contract=of, estimator=estimator, info=info, golden=golden, profile=None)
    bundle = Bundle.load(tmp_path / "bundle")
    bundle.check_golden()
    assert np.mean(bundle.predict(COLUMNS) == target) == 1 or of is PRICE
    assert bundle.predict(COLUMNS).dtype == target.dtype
    assert bundle.gives_probabilities == (of is not PRICE)
    if of is LEVEL:
        first = bundle.probabilities(golden)[0]
        assert isinstance(first, dict)
        assert list(first) == ["high", "low", "middle"]
        assert sum(first.values()) == pytest.approx(1)
    if of is SOLD:
        assert isinstance(bundle.probabilities(golden)[0], float)


def test_a_class_that_was_not_there_has_no_probability(tmp_path: Path) -> None:
    target = np.array(["low", "middle", "middle", "low"] * 30, dtype=object)
    estimator = AutoEstimator.for_task(LEVEL, "classification").fit(COLUMNS, target)
    info = BundleInfo(task="flats", run_id="r", data_sha256="", estimator="auto", created_at=datetime.now(UTC))
    bundle = Bundle(tmp_path, contract=LEVEL, info=info, estimator=estimator, version="1")
    assert bundle.class_probabilities(COLUMNS)[:, 0].max() == 0


def test_of_hundreds_of_columns_the_boosted_model_is_taken_at_once() -> None:
    names = [f"c{number}" for number in range(MOST_ADDITIVE_PARTS + 1)]
    features = tuple(Column(name=name, type="number") for name in names)
    wide = Contract(task="wide", features=features, target=Column(name="y", type="number"))
    rng = np.random.default_rng(2)
    columns = {name: rng.normal(size=60) for name in names}
    fitted = AutoEstimator(wide, "regression").fit(columns, columns["c0"] + rng.normal(0, 0.1, 60))
    assert list(fitted.parameters()) == ["model", "held_out_loss_boosted"]


@pytest.mark.parametrize(("parts", "folds"), [(MOST_PARTS, 3), (MOST_PARTS + 1, 1)])
def test_trees_of_wide_tables_are_cheaper_and_as_good(parts: int, folds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "MOST_ADDITIVE_PARTS", MOST_PARTS)
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(1200, parts))
    target = np.tanh(2 * matrix[:, 0])
    found = fit_boosted(Table(matrix, target, [Part(column=f"x{n}", what="") for n in range(parts)], classes=0))
    assert len(found.target) == folds * len(target) / 3
    assert np.square(found.scores[:, 0] - found.target).mean() < 0.02 * target.var()
    assert isinstance(found.model, TreesModel)
    assert (thresholds(found.model, part=0) < WIDE_BINS) == (folds == 1)


def thresholds(model: TreesModel, part: int) -> int:
    """Return by how many thresholds a model splits a part."""
    fields = [dict(line.partition("=")[::2] for line in tree.splitlines()) for tree in model.text.split("\nTree=")[1:]]
    return len(
        {
            threshold
            for tree in fields
            for threshold, split in zip(tree["threshold"].split(), tree["split_feature"].split(), strict=True)
            if int(split) == part
        }
    )
