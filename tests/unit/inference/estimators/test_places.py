"""Places that are computed are those that a search finds, whatever the cuts."""

from __future__ import annotations

import numpy as np
import pytest

from regraft_inference.estimators.places import FEW_ROWS, FEWEST_ROWS, Floats, PlaceFinder

ROWS = FEW_ROWS + 200
RNG = np.random.default_rng(5)
LARGEST = np.finfo(np.float64).max
CUTS = {
    "none": [],
    "one": [0.1],
    "two neighbours": [1.0, np.nextafter(1.0, 2.0)],
    "denormal": [0.0, 5e-324],
    "whole": list(range(-20, 20)),
    "even": np.linspace(-3, 3, 300),
    "normal": np.unique(RNG.normal(size=300)),
    "far from even": np.unique(np.exp(RNG.normal(size=300) * 5)),
    "all numbers": [-LARGEST, -1.0, 0.0, 1.0, LARGEST],
    "times": 1.7e9 + np.unique(RNG.normal(size=100)),
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("rows", [1, FEWEST_ROWS, FEW_ROWS, ROWS])
def test_they_are_as_searched_for(name: str, rows: int) -> None:
    cuts = np.array(CUTS[name], dtype=np.float64)
    odd = np.array([np.nan, -0.0, 5e-324, 1.5, -LARGEST, LARGEST])
    up, down = np.nextafter(cuts, np.where(cuts < 0, -LARGEST, LARGEST)), np.nextafter(cuts, 0)
    numbers: Floats = RNG.choice(np.concatenate([odd, cuts, up, down]), rows)
    other = np.arange(5.0)
    finder = PlaceFinder({2: cuts, 0: other})
    found = finder.of(np.stack([numbers, np.zeros(rows), numbers], axis=1))
    for place, of_part in enumerate((cuts, other)):
        assert found[place].tolist() == np.append(of_part, np.inf).searchsorted(numbers, "right").tolist()


@pytest.mark.parametrize("rows", [0, 1, ROWS])
def test_a_model_without_cuts_has_no_places(rows: int) -> None:
    found = PlaceFinder({}).of(np.zeros((rows, 3)))
    assert found.shape == (0, rows)
    assert found.dtype == np.intp


def test_no_rows_have_no_places() -> None:
    assert PlaceFinder({0: np.zeros(1), 1: np.arange(2.0)}).of(np.zeros((0, 2))).shape == (2, 0)
