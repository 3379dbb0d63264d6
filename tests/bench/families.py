"""Family A: seeded sets of some passwords whose class shows in their characters, for tests and measurements."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cached_property
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

    def limit(self, words: list[str]) -> float:
        """Return the expected share of right answers of somebody who knows how the passwords were made.

        Known where the alphabets tell the classes apart (they are all of one size, so the classes whose alphabets have
        all letters of a password are as probable as their shares), and where everything can be told.
        """
        if self.kind == "successors" or self.flipped:
            raise ValueError("what can be told of this kind is not known")
        if self.kind != "alphabet":
            return 1.0
        shares = np.array(self.shares or (1 / len(self.levels),) * len(self.levels))
        possible = np.array([[set(word) <= set(letters) for letters in self._alphabets] for word in words])
        weights = possible * shares
        return float((weights.max(axis=1) / weights.sum(axis=1)).mean())

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
