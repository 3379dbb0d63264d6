"""The shape of a column: what it adds at its values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core.contract import Column, Contract
from regraft_inference.estimators.explainer import MOST_SHAPES
from regraft_inference.estimators.shapes import FEW, MOST_NUMBERS, MOST_WORDS, pair_of, shape_of
from regraft_inference.estimators.tabular import AdditiveEstimator, BoostedEstimator

TIME = np.array(["2024-01-01", "NaT", "2026-01-01", "2024-01-01"], dtype="datetime64[us]")


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        (
            Column(name="x", type="number", unit="mm"),
            np.array([2.5, 1.0, np.nan, 2.5]),
            {1.0: 2.0, 2.5: 2.0, None: 4.0},
        ),
        (Column(name="x", type="integer"), np.array([2, 1, 0, 2]), {0.0: 4.0, 1.0: 2.0, 2.0: 2.0}),
        (Column(name="x", type="boolean"), np.array([True, False, False, True]), {"true": 2.0, "false": 3.0}),
        (
            Column(name="x", type="boolean", nullable=True),
            np.array([1.0, 0.0, np.nan, 1.0]),
            {"true": 2.0, "false": 2.0, None: 4.0},
        ),
        (Column(name="x", type="string"), ["b", "a", None, "b"], {"b": 2.0, "a": 2.0, None: 4.0}),
        (Column(name="x", type="string", categories=("a", "b")), ["b", "a", "a", "b"], {"a": 3.0, "b": 2.0}),
        (
            Column(name="x", type="integer", categories=(0, 2, 10)),
            np.array([10, 2, 0, 10]),
            {"0": 4.0, "2": 2.0, "10": 2.0},
        ),
        (
            Column(name="x", type="integer", nullable=True, categories=(0, 2)),
            np.array([2.0, 0.0, np.nan, 2.0]),
            {"0": 2.0, "2": 2.0, None: 4.0},
        ),
        (Column(name="x", type="number", nullable=True), np.full(4, np.nan), {None: 2.5}),
    ],
)
def test_each_value_has_the_mean_of_what_was_added_there(column: Column, values: Any, told: dict[Any, float]) -> None:
    found = shape_of(column, values, np.array([1.0, 2.0, 4.0, 3.0]))
    expected = {
        "column": "x",
        "unit": column.unit or "",
        "answer": None,
        "values": list(told),
        "added": list(told.values()),
    }
    assert found == expected


def test_times_stand_at_their_years_and_texts_have_no_shape() -> None:
    found = shape_of(Column(name="d", type="date", nullable=True), TIME, np.array([1.0, 2.0, 4.0, 3.0]))
    assert found is not None
    assert found["unit"] == "year"
    assert found["values"][:2] == pytest.approx([2024, 2026], abs=0.01)
    assert found["added"] == [2.0, 4.0, 2.0]
    assert shape_of(Column(name="t", type="text"), ["a"], np.zeros(1)) is None
    assert shape_of(Column(name="n", type="number"), np.zeros(0), np.zeros(0)) is None


@given(st.lists(st.sampled_from([float(number // 3) for number in range(300)]), min_size=1, max_size=400))
def test_many_numbers_stand_for_as_many_neighbours(numbers: list[float]) -> None:
    values = np.array(numbers)
    found = shape_of(Column(name="n", type="number"), values, 2 * values)
    assert found is not None
    assert len(found["values"]) <= MOST_NUMBERS
    assert found["values"] == sorted(set(found["values"]))
    assert found["added"] == pytest.approx([2 * value for value in found["values"]])


def test_of_many_words_the_most_frequent_are_told() -> None:
    words = [f"w{number}" for number in range(30) for _ in range(30 - number)]
    found = shape_of(Column(name="w", type="string"), words, np.ones(len(words)))
    assert found is not None
    assert found["values"] == [f"w{number}" for number in range(MOST_WORDS)]


def test_values_of_two_columns_that_came_together_have_the_mean_of_what_was_added_there() -> None:
    columns = Column(name="n", type="number", nullable=True), Column(name="w", type="string", categories=("k", "l"))
    numbers, words = np.array([1.0, 1.0, 2.0, np.nan]), ["k", "k", "l", "l"]
    assert pair_of(columns, (numbers, words), np.array([1.0, 2.0, 3.0, -4.0])) == {
        "columns": ["n", "w"],
        "values": [[1.0, 2.0, None], ["k", "l"]],
        "added": [[1.5, None], [None, 3.0], [None, -4.0]],
    }


def test_the_largest_numbers_are_told() -> None:
    column, largest = Column(name="n", type="number"), np.finfo(np.float64).max
    numbers = np.concatenate([np.full(40, -largest), np.arange(200.0)])
    alone = shape_of(column, numbers, np.ones(240))
    together = pair_of((column, column), (numbers, numbers), np.ones(240))
    assert alone is not None
    assert together is not None
    assert np.isfinite([*alone["values"], *together["values"][0]]).all()
    assert alone["values"][0] < -largest / 2


def test_what_parts_of_two_columns_add_together_is_told_once() -> None:
    rng = np.random.default_rng(1)
    features = (Column(name="when", type="datetime"), Column(name="load", type="number"))
    contract = Contract(task="t", features=features, target=Column(name="y", type="number"))
    hours, load = rng.integers(0, 24, 1500), rng.uniform(-1, 1, 1500)
    when = np.datetime64("2024-01-01", "us") + (rng.integers(0, 360, 1500) * 24 + hours) * np.timedelta64(3600, "s")
    columns: dict[str, Any] = {"when": when, "load": load}
    target = np.where(hours < 12, load, -load) * 10
    told = AdditiveEstimator(contract, "regression").fit(columns, target).explain(lambda: [(columns, target)])
    assert [pair["columns"] for pair in told["pairs"]] == [["when", "load"]]


def test_of_two_columns_few_values_are_told() -> None:
    columns = Column(name="n", type="number"), Column(name="w", type="string")
    numbers, words = np.arange(700.0), [f"w{number}" for number in range(7) for _ in range(100)]
    found = pair_of(columns, (numbers, words), np.ones(700))
    assert found is not None
    assert [len(values) for values in found["values"]] == [FEW, FEW]
    assert found["values"][1] == ["w0", "w1", "w2", "w3", "w4"]
    assert {one for row in found["added"] for one in row} == {1.0, None}


def test_of_texts_and_of_no_rows_nothing_is_told_together() -> None:
    number, text = Column(name="n", type="number"), Column(name="t", type="text")
    assert pair_of((number, text), (np.ones(1), ["a"]), np.ones(1)) is None
    assert pair_of((number, number), (np.ones(0), np.ones(0)), np.ones(0)) is None


def test_what_two_columns_add_together_is_told() -> None:
    rng, names = np.random.default_rng(1), ("first", "second", "third")
    features = tuple(Column(name=name, type="number") for name in names)
    contract = Contract(task="t", features=features, target=Column(name="y", type="boolean"))
    columns = {name: rng.uniform(-1, 1, 1200) for name in names}
    target = columns["second"] * columns["third"] > 0
    told = AdditiveEstimator(contract, "classification").fit(columns, target).explain(lambda: [(columns, target)])
    added = told["pairs"][0]["added"]
    assert told["pairs"][0]["columns"] == ["second", "third"]
    assert min(added[0][0], added[-1][-1]) > 0 > max(added[0][-1], added[-1][0])


def test_an_estimator_tells_the_shapes_of_its_columns_on_its_scale() -> None:
    rng = np.random.default_rng(1)
    features = (Column(name="bent", type="number"), Column(name="kind", type="string", categories=("k", "l")))
    columns: dict[str, Any] = {"bent": rng.normal(size=190), "kind": ["k", "l"] * 95}
    target = np.where(columns["bent"] > 0, 5.0, 0.0) + np.array([0.0, 1.0] * 95)
    contract = Contract(task="t", features=features, target=Column(name="y", type="number"))
    told = AdditiveEstimator(contract, "regression").fit(columns, target).explain(lambda: [(columns, target)])
    assert told["scale"] == "y"
    bent, kind = told["shapes"]
    assert [one["column"] for one in told["importance"]] == [bent["column"], kind["column"]] == ["bent", "kind"]
    assert bent["added"][-1] - bent["added"][0] == pytest.approx(5, abs=0.8)
    assert kind["added"][kind["values"].index("l")] - kind["added"][kind["values"].index("k")] == pytest.approx(
        1, abs=0.3
    )


def test_of_more_than_two_classes_each_has_its_shapes() -> None:
    rng = np.random.default_rng(1)
    features = (Column(name="n", type="number"), Column(name="noise", type="number"))
    target = Column(name="y", type="string", categories=("a", "b", "c"))
    contract = Contract(task="t", features=features, target=target)
    answers = np.array(["a", "b", "c"] * 60, dtype=object)
    columns = {"n": rng.normal(size=180) + [0.0, 3.0, 6.0] * 60, "noise": rng.normal(size=180)}
    told = AdditiveEstimator(contract, "classification").fit(columns, answers).explain(lambda: [(columns, answers)])
    assert told["scale"] == "score of y, less the mean of all classes"
    assert [(one["column"], one["answer"]) for one in told["shapes"]] == [
        (column, answer) for column in ("n", "noise") for answer in "abc"
    ]
    low, middle, high = (one["added"] for one in told["shapes"][:3])
    assert low[0] > low[-1]
    assert high[0] < high[-1]
    assert np.sum([low, middle, high], axis=0) == pytest.approx(0, abs=1e-9)


def test_of_very_many_classes_the_columns_that_add_most_are_told() -> None:
    classes = MOST_SHAPES // 2
    names = [f"c{place:02}" for place in range(classes)]
    contract = Contract(
        task="t",
        features=tuple(Column(name=name, type="number") for name in ("flat", "first", "second")),
        target=Column(name="y", type="string", categories=tuple(names)),
    )
    rng, places = np.random.default_rng(1), np.arange(classes * 4) % classes
    columns = {"flat": np.zeros(len(places)), "first": places + rng.normal(size=len(places)), "second": 1.0 * places}
    target = np.array(names, dtype=object)[places]
    told = AdditiveEstimator(contract, "classification").fit(columns, target).explain(lambda: [(columns, target)])
    assert len(told["importance"]) == 3
    assert len(told["shapes"]) == MOST_SHAPES
    assert {one["column"] for one in told["shapes"]} == {"first", "second"}


def test_of_more_classes_than_there_are_shapes_the_first_are_told() -> None:
    names = tuple(f"c{place:03}" for place in range(MOST_SHAPES + 20))
    target = Column(name="y", type="string", categories=names)
    contract = Contract(task="t", features=(Column(name="n", type="number"),), target=target)
    columns, answers = {"n": np.arange(360.0) // 3}, np.repeat(np.array(names, dtype=object), 3)
    told = BoostedEstimator(contract, "classification").fit(columns, answers).explain(lambda: [(columns, answers)])
    assert [one["answer"] for one in told["shapes"]] == list(names[:MOST_SHAPES])
