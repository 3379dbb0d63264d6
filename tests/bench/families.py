"""Seeded password data of two families, for tests and measurements.

Family A is small: the class of a password shows in its characters. Family B is what a leak looks like: millions of
users choose passwords, and the target is how many chose each.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import compress, pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["alphabet", "successors", "first", "length"]


class Sample(NamedTuple):
    """Passwords, their targets, and which of them can be told by somebody who knows the alphabets."""

    words: list[str]
    target: Floats
    decidable: NDArray[np.bool_]

    def only(self, keep: NDArray[np.bool_]) -> Sample:
        """Return the rows that are to be kept."""
        return Sample(list(compress(self.words, keep)), self.target[keep], self.decidable[keep])

    def without(self, other: Sample) -> Sample:
        """Return the rows whose passwords do not occur in the other sample."""
        known = set(other.words)
        return self.only(np.array([word not in known for word in self.words]))


@dataclass(frozen=True)
class FamilyA:
    """One level of the target for each class of passwords.

    ``kind`` says what tells the classes apart: their alphabets, which share ``common`` letters and have ``exclusive``
    ones each; which letter may follow which; the first letter; or the length.
    """

    seed: int
    levels: tuple[float, ...] = (0.0, 1.0)
    kind: Kind = "alphabet"
    common: int = 10
    exclusive: int = 8
    lengths: tuple[int, int] = (4, 10)
    pool: str = string.ascii_lowercase
    shares: tuple[float, ...] | None = None
    flipped: float = 0.0

    def sample(self, rows: int, seed: int) -> Sample:
        """Return rows with passwords that all differ, the classes in exact shares and random order."""
        rng = np.random.default_rng((self.seed, seed))
        shares = self.shares or (1 / len(self.levels),) * len(self.levels)
        bounds = np.round(np.cumsum((0.0, *shares)) * rows).astype(int)
        classes = rng.permutation(np.repeat(np.arange(len(self.levels)), np.diff(bounds)))
        words: dict[str, None] = {}
        for number in classes:
            words[self._new_word(int(number), rng, words)] = None
        target = np.array(self.levels)[classes]
        wrong = rng.random(rows) < self.flipped
        target[wrong] = np.array(self.levels)[(classes[wrong] + 1) % len(self.levels)]
        return Sample(list(words), target, np.array([self._tells(word) for word in words]))

    def _new_word(self, number: int, rng: np.random.Generator, known: dict[str, None]) -> str:
        while (word := self._word(number, rng)) in known:
            pass
        return word

    def _word(self, number: int, rng: np.random.Generator) -> str:
        shortest, longest = self.lengths
        letters = self._alphabets[number]
        length = int(rng.integers(shortest, longest + 1))
        if self.kind == "length":
            classes = np.array_split(np.arange(shortest, longest + 1), len(self.levels))
            length = int(rng.choice(classes[number]))
        if self.kind == "first":
            return str(rng.choice(list(letters))) + "".join(rng.choice(list(self._shuffled[:18]), length - 1))
        if self.kind == "successors":
            followers = self._followers[number]
            word = str(rng.choice(list(letters)))
            while len(word) < length:
                word += str(rng.choice(list(followers[word[-1]])))
            return word
        return "".join(rng.choice(list(letters), length))

    @cached_property
    def _shuffled(self) -> str:
        return "".join(np.random.default_rng(self.seed).permutation(list(self.pool)))

    @cached_property
    def _alphabets(self) -> list[str]:
        letters = self._shuffled
        if self.kind == "first":
            return [letters[9 * number : 9 * number + 9] for number in range(len(self.levels))]
        if self.kind != "alphabet":
            return [letters[:18]] * len(self.levels)
        own = [self.common + number * self.exclusive for number in range(len(self.levels))]
        return [letters[: self.common] + letters[start : start + self.exclusive] for start in own]

    @cached_property
    def _followers(self) -> list[dict[str, str]]:
        rng = np.random.default_rng((self.seed, 1))
        letters = self._alphabets[0]
        return [
            {letter: "".join(rng.choice(list(letters), 8, replace=False)) for letter in letters} for _ in self.levels
        ]

    def _tells(self, word: str) -> bool:
        if self.kind == "alphabet":
            return sum(set(word) <= set(letters) for letters in self._alphabets) == 1
        if self.kind == "successors":
            pairs = list(pairwise(word))
            return sum(all(b in table[a] for a, b in pairs) for table in self._followers) == 1
        return True


def variants(seed: int) -> dict[str, FamilyA]:
    """Return the members of family A that are measured, by name."""
    letters_and_digits = string.ascii_letters + string.digits
    return {
        "levels 0, 1": FamilyA(seed),
        "levels 0, 5": FamilyA(seed, levels=(0.0, 5.0)),
        "levels 1, 2, 3": FamilyA(seed, levels=(1.0, 2.0, 3.0), common=8, exclusive=6),
        "five levels": FamilyA(seed, levels=(0.0, 1.0, 2.0, 4.0, 8.0), common=6, exclusive=4),
        "16 of 18 letters shared": FamilyA(seed, common=16, exclusive=2),
        "shares .8, .2": FamilyA(seed, shares=(0.8, 0.2)),
        "62 characters": FamilyA(seed, lengths=(8, 20), pool=letters_and_digits, common=30, exclusive=12),
        "3 to 5 characters": FamilyA(seed, lengths=(3, 5)),
        "5 % flipped": FamilyA(seed, flipped=0.05),
        "20 % flipped": FamilyA(seed, flipped=0.2),
        "successors": FamilyA(seed, kind="successors"),
        "first letter": FamilyA(seed, kind="first"),
        "length": FamilyA(seed, kind="length", lengths=(4, 11)),
    }


class FamilyB:
    """Users who choose a password by habit: from a list, or a word or name with a number, a date, or at random.

    Words and names come from the frequency lists of zxcvbn (an optional package); each is as popular as Zipf's law
    says of its rank, times a random factor. Raises ImportError where zxcvbn is not installed.
    """

    def __init__(self, seed: int) -> None:
        lists = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS

        self.rng = np.random.default_rng(seed)
        self.listed = self._vocabulary(lists["passwords"], 0.85)
        self.words = self._vocabulary(lists["english_wikipedia"], 0.75)
        self.names = self._vocabulary([*lists["female_names"], *lists["male_names"]], 0.85)
        self.numbers = self._vocabulary([str(n) for n in (*range(1, 1000), *range(1940, 2016))], 0.7)

    def sample(self, users: int) -> tuple[list[str], Floats]:
        """Return the passwords of so many users, each once and in random order, and how many users chose it."""
        counted: Counter[str] = Counter()
        for _ in range(0, users, 100_000):
            counted.update(self._choices(100_000))
        words = [word for word in counted if len(word) >= 3]
        order = self.rng.permutation(len(words))
        return [words[row] for row in order], np.array([counted[words[row]] for row in order], dtype=np.float64)

    def _vocabulary(self, words: Iterable[str], exponent: float) -> tuple[NDArray[np.str_], Floats]:
        found = np.array(list(dict.fromkeys(words)))
        weights = np.arange(1, len(found) + 1) ** -exponent * self.rng.lognormal(0, 1, len(found))
        return found, weights / weights.sum()

    def _choices(self, users: int) -> list[str]:
        habits = {
            "listed": 0.17,
            "word": 0.1,
            "name": 0.05,
            "word and number": 0.2,
            "name and number": 0.15,
            "date": 0.12,
            "two words": 0.06,
            "random": 0.15,
        }
        numbers = self.rng.multinomial(users, list(habits.values()))
        return [word for habit, rows in zip(habits, numbers, strict=True) for word in self._cased(habit, int(rows))]

    def _cased(self, habit: str, rows: int) -> list[str]:
        capital = self.rng.random(rows) < 0.07
        return [word.capitalize() if up else word for word, up in zip(self._of(habit, rows), capital, strict=True)]

    def _of(self, habit: str, rows: int) -> list[str]:
        if habit == "listed":
            return self._pick(self.listed, rows)
        if habit == "date":
            days, months, years = (self.rng.integers(*limits, rows) for limits in ((1, 32), (1, 13), (50, 100)))
            return [f"{day:02}{month:02}{year}" for day, month, year in zip(days, months, years, strict=True)]
        if habit == "random":
            letters = np.array(list(string.ascii_lowercase + string.digits))
            return ["".join(letters[row]) for row in self.rng.integers(0, 36, (rows, 7))]
        first = self._pick(self.names if "name" in habit else self.words, rows)
        if habit in {"word", "name"}:
            return first
        second = self._pick(self.words if habit == "two words" else self.numbers, rows)
        return [a + b for a, b in zip(first, second, strict=True)]

    def _pick(self, vocabulary: tuple[NDArray[np.str_], Floats], rows: int) -> list[str]:
        words, weights = vocabulary
        return [str(word) for word in self.rng.choice(words, rows, p=weights)]
