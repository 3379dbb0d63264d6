from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regraft_inference.estimators.features import MAX_LENGTH, extract

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


def row_slots(words: list[str], row: int) -> list[list[int]]:
    features = extract(words, order=4, bits=18, runs=True)
    part = features.rows(row, row + 1)
    counts = part.counts()[:, 0]
    return [part.slots[start : start + count].tolist() for start, count in zip(part.starts[:, 0], counts, strict=True)]


@given(st.lists(ANY_TEXT, min_size=1, max_size=8), st.data())
def test_the_features_of_a_word_do_not_depend_on_its_neighbours(words: list[str], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(words) - 1))
    assert row_slots(words, row) == row_slots([words[row]], 0)


def test_there_is_one_ngram_for_each_place_where_one_fits() -> None:
    features = extract(["abcd"], order=4, bits=18, runs=False)
    sums = features.sums((features.slots > 0).astype(np.float64))
    separators_and_letters = 5
    assert sums[:4, 0].tolist() == [separators_and_letters, 5, 4, 3]


def test_different_passwords_have_different_slots() -> None:
    words = [f"{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]
    features = extract(words, order=3, bits=30, runs=True)
    bigrams = features.rows(0, len(words)).slots[features.starts[1, 0] : features.starts[2, 0]]
    starts = features.starts[1] - features.starts[1, 0]
    assert len(set(bigrams[starts + 1].tolist())) == len(words)


def test_shape_is_the_kinds_and_lengths_of_the_runs() -> None:
    shape = [row_slots(["Pass12!", "word99?", "pas123!", "12Pass!"], row)[7] for row in range(4)]
    assert shape[0] == shape[1]
    assert shape[0] != shape[2]
    assert shape[0] != shape[3]


def test_runs_and_the_whole_word_ignore_case_and_ngrams_do_not() -> None:
    upper, lower = (row_slots([word], 0) for word in ("ABC12", "abc12"))
    assert upper[8:] == lower[8:]
    assert upper[0] != lower[0]


def test_characters_past_the_limit_do_not_count() -> None:
    assert row_slots(["a" * MAX_LENGTH + "b"], 0) == row_slots(["a" * MAX_LENGTH + "c"], 0)


def test_rows_cuts_out_what_the_words_alone_would_give() -> None:
    words = ["one", "", "three3", "!"]
    cut = extract(words, order=2, bits=18, runs=True).rows(1, 3)
    alone = extract(words[1:3], order=2, bits=18, runs=True)
    assert cut.slots.tolist() == alone.slots.tolist()
    assert cut.starts.tolist() == alone.starts.tolist()
    assert cut.spread(np.array([1, 2])).tolist() == alone.spread(np.array([1, 2])).tolist()
