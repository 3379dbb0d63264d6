"""An additive model gives many rows, a few, and one the same answer to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from regraft_inference.estimators.additive import FEW_ROWS, AdditiveModel, Term
from regraft_inference.estimators.lookups import MOST_VALUES

ROWS = 60
PARTS = [(0,), (1,), (2,), (0, 1), (2, 0), (1, 3)]
"""Some parts have several terms, one is of a pair only, and the last of none."""


def model(outputs: int, seed: int) -> AdditiveModel:
    """Return a model whose terms cut the same parts at values of which some are the same."""
    rng = np.random.default_rng(seed)
    terms = []
    for parts in PARTS:
        cuts = tuple(np.unique(rng.integers(-4, 5, rng.integers(0, 6))).astype(np.float64) for _ in parts)
        terms.append(Term(parts, cuts, rng.normal(size=(*(len(one) + 2 for one in cuts), outputs))))
    return AdditiveModel(rng.normal(size=outputs), terms)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_many_rows_are_answered_as_each_alone(outputs: int, seed: int) -> None:
    found, rng = model(outputs, seed), np.random.default_rng(seed)
    matrix = np.round(rng.uniform(-6, 6, (ROWS, 5)) * 2) / 2  # half of them are cuts
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    assert ROWS > FEW_ROWS
    alone = [row[np.newaxis] for row in matrix]
    assert found.scores(matrix).tolist() == [found.scores(row)[0].tolist() for row in alone]
    scores, added = found.explained(matrix)
    assert scores.tolist() == found.scores(matrix).tolist()
    assert added.tolist() == [found.explained(row)[1][0].tolist() for row in alone]
    assert scores.tolist() == [found.explained(row)[0][0].tolist() for row in alone]
    assert found.intercept + added.sum(axis=1) == pytest.approx(found.scores(matrix), abs=1e-12)


def test_of_parts_with_one_term_each_it_is_known_all_that_they_add() -> None:
    rng = np.random.default_rng(1)
    cuts = [np.sort(rng.normal(size=size)) for size in (0, 3, 5)]
    terms = [Term((part,), (own,), rng.normal(size=(len(own) + 2, 1))) for part, own in enumerate(cuts)]
    found = AdditiveModel(np.zeros(1), terms[::-1])
    matrix = rng.normal(size=(ROWS, len(terms)))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    assert found.has_one_term_for_each(len(terms))
    of_rows, added = found.explained(matrix)
    placed_scores, places = found.placed(matrix)
    parts, scores = found.cells()
    assert placed_scores.tolist() == of_rows.tolist()
    assert scores[places].tolist() == added.tolist()
    assert parts[places].tolist() == [[0, 1, 2]] * ROWS


@pytest.mark.parametrize(
    "parts", [[], [(1,)], [(0,)], [(0,), (0,)], [(0,), (0, 1)], [(0,), (1,), (0, 1)], [(0,), (2,)]]
)
def test_of_other_models_it_is_not_known(parts: list[tuple[int, ...]]) -> None:
    terms = [Term(both, (np.zeros(1),) * len(both), np.ones((*(3,) * len(both), 1))) for both in parts]
    assert not AdditiveModel(np.zeros(1), terms).has_one_term_for_each(2)


@pytest.mark.parametrize("varying", [[0, 1], [1, 2], [0, 2]])
def test_a_part_without_a_term_adds_nothing(varying: list[int]) -> None:
    terms = [Term((part,), (np.zeros(1),), np.ones((3, 1))) for part in varying]
    _, added = AdditiveModel(np.zeros(1), terms).explained(np.zeros((ROWS, 3)))
    assert added.sum(axis=(0, 2)).tolist() == [ROWS if part in varying else 0 for part in range(3)]


@pytest.mark.parametrize("more", [0, 1, 2])
def test_the_last_of_very_many_rows_are_answered_as_each_alone(more: int) -> None:
    rng, parts = np.random.default_rng(1), 40
    cuts = np.linspace(-2, 2, 50)
    found = AdditiveModel(np.ones(1), [Term((part,), (cuts,), rng.normal(size=(52, 1))) for part in range(parts)])
    rows = 2 * (MOST_VALUES // (parts + 1)) + more
    matrix = rng.normal(size=(rows, parts))
    alone = np.concatenate([found.scores(matrix[-place:][:1]) for place in (3, 2, 1)])
    assert found.scores(matrix)[-3:].tolist() == alone.tolist()
    assert found.explained(matrix)[0][-3:].tolist() == alone.tolist()
