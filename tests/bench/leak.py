"""Family B: what a leak looks like. Millions of users choose passwords by habit; the target is how many chose each.

Most passwords are there once, a few tens of thousands of times. Words and names come from the frequency lists of
zxcvbn (an optional package); a word is as popular as Zipf's law says of its rank, times a random factor of its own.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Strings = NDArray[np.object_]

VOCABULARIES_SEED = 1
CHUNK_USERS = 500_000
ROWS_PER_USER = 0.37
"""About how many different passwords there are to a user, among some millions."""

LETTERS, DIGITS = string.ascii_lowercase, string.digits
CONSONANTS, VOWELS = "bcdfghjklmnprstvz", "aeiou"
SUBSTITUTES = (
    {"a": "4", "e": "3", "o": "0"},
    {"a": "@", "e": "3", "i": "1", "o": "0", "s": "$"},
    {"o": "0"},
    {"e": "3"},
)
KEYBOARD = [
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1234567890",
    "0987654321",
    "qazwsxedcrfvtgb",
    "1q2w3e4r5t6y7u8i",
    "zaq12wsxcde3",
    "1qaz2wsx3edc",
    "q1w2e3r4t5y6",
    "qweasdzxc",
    "poiuytrewq",
    "asdzxcqwe",
    "abcdefghij",
    "147258369",
    "741852963",
    "159753",
]
POPULAR_NUMBERS = {
    1: {"1": 40, "2": 12, "3": 12, "7": 8},
    2: {"12": 30, "23": 20, "11": 15, "69": 15, "01": 25, "99": 12, "88": 12, "77": 10},
    3: {"123": 400, "007": 60, "777": 50, "321": 50, "111": 50, "666": 40, "420": 30},
    4: {"1234": 5500},
}
"""Weights of numbers by their digits; the others have a random weight of about one."""


class Vocabulary:
    """Strings with how probable they are."""

    def __init__(self, words: Sequence[str], weights: NDArray[np.floating]) -> None:
        self._words: Strings = np.array(words, dtype=object)
        self._cumulated = np.cumsum(weights / weights.sum())

    @classmethod
    def ranked(
        cls, words: Sequence[str], rng: np.random.Generator, *, exponent: float, spread: float = 1.0
    ) -> Vocabulary:
        """Return words, the most popular first, by Zipf's law with a lognormal factor for each."""
        weights = (np.arange(len(words)) + 3.0) ** -exponent * rng.lognormal(0, spread, len(words))
        return cls(words, weights)

    def draw(self, count: int, rng: np.random.Generator) -> Strings:
        """Return this many strings, independent of each other."""
        places = np.searchsorted(self._cumulated, rng.random(count), side="right")
        return self._words[np.minimum(places, len(self._words) - 1)]


class FamilyB:
    """Users and their habits. Raises ImportError where zxcvbn is not installed."""

    def __init__(self) -> None:
        lists = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
        rng = np.random.default_rng(VOCABULARIES_SEED)

        def ranked(*names: str, exponent: float, spread: float = 1.0) -> Vocabulary:
            turns = [
                word for turn in zip(*(list(lists[name])[:90_000] for name in names), strict=False) for word in turn
            ]
            words = [word for word in dict.fromkeys(turns) if len(word) > 2]
            return Vocabulary.ranked(words, rng, exponent=exponent, spread=spread)

        self.words = ranked("us_tv_and_film", "english_wikipedia", exponent=0.75)
        self.names = ranked("male_names", "female_names", exponent=0.85)
        self.surnames = ranked("surnames", exponent=0.8)
        self.listed = ranked("passwords", exponent=0.85, spread=0.5)
        walks = dict.fromkeys(
            row[first:last] for row in KEYBOARD for first in range(3) for last in range(first + 4, 17)
        )
        self.walks = Vocabulary.ranked(
            sorted(walks, key=lambda walk: abs(len(walk) - 6)), rng, exponent=1.0, spread=0.7
        )
        years = np.arange(1940, 2016)
        self.years = Vocabulary([str(year) for year in years], np.exp(-0.5 * ((years - 1987) / 9) ** 2) + 0.02)
        self.numbers = [self._numbers(digits, popular, rng) for digits, popular in POPULAR_NUMBERS.items()]
        machines = [np.base_repr((number * 2_654_435_761) % 36**7, 36).lower() for number in range(1, 200_000)]
        self.machines = Vocabulary(machines, np.arange(1, 200_000) ** -1.35)

    @staticmethod
    def _numbers(digits: int, popular: dict[str, int], rng: np.random.Generator) -> Vocabulary:
        numbers = [f"{number:0{digits}}" for number in range(10**digits)]
        weights = 0.3 + rng.exponential(0.5, len(numbers))
        for number, weight in popular.items():
            weights[int(number)] = weight
        return Vocabulary(numbers, weights)

    def sample(self, users: int, seed: int) -> pd.DataFrame:
        """Return the passwords of so many users, each once and in random order, and how many users chose it."""
        rng = np.random.default_rng(seed)
        parts = [pd.Series(self._choices(part, rng)).value_counts() for part in _parts(users)]
        counts = pd.concat(parts).groupby(level=0).sum()
        counts = counts[counts.index.str.len() >= 3]
        order = rng.permutation(len(counts))
        return pd.DataFrame({"Password": counts.index[order], "Times": counts.to_numpy(dtype=np.float64)[order]})

    def _choices(self, users: int, rng: np.random.Generator) -> Strings:
        def number(count: int) -> Strings:
            digits = rng.choice(4, count, p=(0.34, 0.38, 0.18, 0.1))
            return np.choose(digits, [numbers.draw(count, rng) for numbers in self.numbers])

        def word(count: int) -> Strings:
            return self.words.draw(count, rng)

        def name(count: int) -> Strings:
            return self.names.draw(count, rng)

        habits: list[tuple[float, Callable[[int], Strings]]] = [
            (0.165, lambda count: self.listed.draw(count, rng)),
            (0.090, word),
            (0.035, name),
            (0.020, lambda count: self.surnames.draw(count, rng)),
            (0.160, lambda count: word(count) + number(count)),
            (0.085, lambda count: name(count) + number(count)),
            (0.020, lambda count: self.surnames.draw(count, rng) + number(count)),
            (0.040, lambda count: name(count) + self.years.draw(count, rng)),
            (0.025, lambda count: word(count) + self.years.draw(count, rng)),
            (0.115, lambda count: self._dates(count, rng)),
            (0.030, lambda count: self.walks.draw(count, rng)),
            (0.010, lambda count: self.walks.draw(count, rng) + number(count)),
            (0.015, lambda count: _substituted(word(count), rng)),
            (0.045, lambda count: word(count) + np.where(rng.random(count) < 0.5, word(count), name(count))),
            (0.050, lambda count: _syllables(count, rng) + np.where(rng.random(count) < 0.5, number(count), "")),
            (0.085, lambda count: _random(count, rng)),
            (0.010, lambda count: self.machines.draw(count, rng)),
        ]
        shares = np.array([share for share, _ in habits])
        numbers = rng.multinomial(users, shares / shares.sum())
        return np.concatenate(
            [_cased(habit(int(count)), rng) for (_, habit), count in zip(habits, numbers, strict=True)]
        )

    def _dates(self, count: int, rng: np.random.Generator) -> Strings:
        day, month = (_padded(rng.integers(1, last, count), 2) for last in (32, 13))
        year = self.years.draw(count, rng)
        short = np.array([text[2:] for text in year], dtype=object)
        american = rng.random(count) < 0.4
        start = np.where(american, month + day, day + month)
        digits = _padded(rng.integers(0, 10**12, count), 12)
        cut = np.array(
            [text[:size] for text, size in zip(digits, rng.integers(6, 12, count), strict=True)], dtype=object
        )
        pair = self.numbers[1].draw(count, rng)
        kind = rng.choice(4, count, p=(0.25, 0.27, 0.38, 0.1))
        return np.choose(kind, [start + short, start + year, cut, pair * rng.integers(2, 5, count).astype(object)])


def _parts(users: int) -> Iterator[int]:
    for first in range(0, users, CHUNK_USERS):
        yield min(CHUNK_USERS, users - first)


def _padded(numbers: NDArray[np.int64], digits: int) -> Strings:
    return np.array([f"{number:0{digits}}" for number in numbers.tolist()], dtype=object)


def _substituted(words: Strings, rng: np.random.Generator) -> Strings:
    tables = [str.maketrans(table) for table in SUBSTITUTES]
    kinds = rng.integers(0, len(tables), len(words)).tolist()
    return np.array([word.translate(tables[kind]) for word, kind in zip(words, kinds, strict=True)], dtype=object)


def _syllables(count: int, rng: np.random.Generator) -> Strings:
    def letters(of: str) -> Strings:
        return np.array(list(of), dtype=object)[rng.integers(0, len(of), count)]

    two = letters(CONSONANTS) + letters(VOWELS) + letters(CONSONANTS) + letters(VOWELS)
    three: Strings = two + np.where(rng.random(count) < 0.5, letters(CONSONANTS) + letters(VOWELS), "")
    return three


def _random(count: int, rng: np.random.Generator) -> Strings:
    alphabets = (LETTERS, LETTERS + DIGITS, string.ascii_letters + DIGITS)
    kinds = rng.choice(3, count, p=(0.35, 0.45, 0.2)).tolist()
    drawn = rng.random((count, 12))
    sizes = rng.integers(6, 13, count).tolist()
    rows = zip(drawn.tolist(), kinds, sizes, strict=True)
    found = ["".join(alphabets[kind][int(x * len(alphabets[kind]))] for x in row[:size]) for row, kind, size in rows]
    return np.array(found, dtype=object)


def _cased(words: Strings, rng: np.random.Generator) -> Strings:
    """Write some words with a capital, some in capitals, and put a mark behind some."""
    chance = rng.random(len(words))
    for low, high, change in (
        (0.0, 0.07, str.capitalize),
        (0.07, 0.085, str.upper),
        (0.085, 0.1, lambda word: f"{word}!"),
        (0.1, 0.105, lambda word: f"{word}."),
    ):
        rows = np.flatnonzero((low <= chance) & (chance < high))
        words[rows] = [change(word) for word in words[rows].tolist()]
    return words
