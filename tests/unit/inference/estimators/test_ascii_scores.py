from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from regraft_inference.estimators import ascii_scores
from regraft_inference.estimators.ascii_scores import AsciiScores
from regraft_inference.estimators.features import MAX_LENGTH
from regraft_inference.estimators.levels import BITS, TIE, LevelsModel

ASCII = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=30)
FEW = st.text("aA1 ", max_size=6)
"""Words of which many are alike: runs, repeated n-grams, empty words beside each other."""


@cache
def model_of(levels: int) -> LevelsModel:
    """Return a model of so many levels that has learned from words of all kinds."""
    random = np.random.default_rng(levels)
    words = ["".join(map(chr, random.integers(1, 127, random.integers(0, 12)))) for _ in range(400)]
    words += ["a" * length for length in range(20)]
    target = np.array([(3 * len(word) + sum(map(ord, word))) % levels for word in words], dtype=np.float64)
    return LevelsModel(np.linspace(0.0, 9.0, levels)).fit(lambda: [(words, target)])


@cache
def scores_of(levels: int) -> AsciiScores:
    model = model_of(levels)
    return AsciiScores(model.table, model.weights, model.intercepts, BITS)


def probabilities(scores: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    odds = np.exp(np.concatenate([np.zeros((rows, 1)), scores.reshape(rows, -1)], axis=1))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("levels", [1, 2, 3, 7])
@settings(deadline=None)  # the first one trains the model
@given(words=st.lists(ASCII | FEW, min_size=1, max_size=12))
def test_the_probabilities_are_those_of_the_model(levels: int, words: list[str]) -> None:
    scores = scores_of(levels).of(words)
    assert scores is not None
    assert probabilities(scores, len(words)) == pytest.approx(model_of(levels).posterior(words), abs=1e-9)


@pytest.mark.parametrize("levels", [2, 3])
@settings(deadline=None)  # the first one trains the model
@given(words=st.lists(ASCII | FEW | st.text(max_size=5) | st.just("x" * 300), min_size=1, max_size=12))
def test_whatever_the_words_are_the_median_is_predicted(levels: int, words: list[str]) -> None:
    model = model_of(levels)
    medians = (model.posterior(words).cumsum(axis=1) >= 0.5 - TIE).argmax(axis=1)
    assert model.predict(words).tolist() == model.levels[medians].tolist()


@pytest.mark.parametrize("words", [["a", ""], [""], ["", "", ""], ["a" * MAX_LENGTH], ["\x01", "\x7f"]])
def test_words_at_the_edges_have_scores(words: list[str]) -> None:
    scores = scores_of(2).of(words)
    assert scores is not None
    assert probabilities(scores, len(words)) == pytest.approx(model_of(2).posterior(words), abs=1e-9)


@pytest.mark.parametrize("words", [["é", "a"], ["\ud800"], ["a\x00b"], ["a", "\x00"], ["a" * (MAX_LENGTH + 1)]])
def test_what_is_not_ascii_or_too_long_is_left_to_the_model(words: list[str]) -> None:
    assert scores_of(2).of(words) is None


def test_more_runs_than_there_are_powers_are_left_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ascii_scores, "MOST_RUNS", 3)
    assert scores_of(2).of(["a1"]) is not None
    assert scores_of(2).of(["a1b"]) is None


def test_a_model_that_learns_anew_predicts_what_it_has_learned() -> None:
    model = LevelsModel(np.array([0.0, 1.0]))
    words = ["aaa", "bbb"] * 20
    for first in (0.0, 1.0):
        target = np.array([first, 1 - first] * 20)
        model.fit(lambda target=target: [(words, target)])  # type: ignore[misc]
        assert model.predict(["aaa", "bbb"]).tolist() == [first, 1 - first]


def test_many_rows_are_predicted_as_few() -> None:
    model = model_of(3)
    words = ["".join(map(chr, np.random.default_rng(row).integers(33, 126, 8))) for row in range(2500)]
    assert model.predict(words).tolist() == [model.predict([word])[0] for word in words]
