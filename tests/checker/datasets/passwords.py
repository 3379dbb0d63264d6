"""Passwords, good ones, bad ones and broken ones: how often one was seen is told by the letters it is made of."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from functools import lru_cache

from .making import ROWS, Sample, dataset, to_csv

type Row = list[str]

PASSWORD_HEADER = ("Password", "Times")
LEVELS = ("0.0", "1.0")


class Passwords:
    """Passwords of two classes. Both use ten common letters; each class has eight letters of its own besides.

    A password is 4 to 10 letters drawn evenly from the 18 of its class, so about 3 in 100 hold common letters only and
    cannot be told apart. No password comes twice.
    """

    LONGEST_LIST = 2 * ROWS

    def __init__(self, letters: str, seed: int) -> None:
        rng = random.Random(f"{letters} {seed}")
        shuffled = rng.sample(letters, 26)
        common, self.own = shuffled[:10], (set(shuffled[10:18]), set(shuffled[18:26]))
        self.classes: tuple[list[str], list[str]] = ([], [])
        seen: set[str] = set()
        while len(self.classes[-1]) < self.LONGEST_LIST:
            for own, passwords in zip(self.own, self.classes, strict=True):
                alphabet = common + sorted(own)
                password = "".join(rng.choices(alphabet, k=rng.randint(4, 10)))
                while password in seen:
                    password = "".join(rng.choices(alphabet, k=rng.randint(4, 10)))
                seen.add(password)
                passwords.append(password)

    def rows(self, zeros: int = ROWS // 2, ones: int = ROWS // 2) -> list[Row]:
        """Return the first passwords of each class with their level, in an order that depends on nothing but them."""
        rows = [
            [password, level]
            for level, passwords, count in zip(LEVELS, self.classes, (zeros, ones), strict=True)
            for password in passwords[:count]
        ]
        random.Random("order").shuffle(rows)
        return rows

    def unseen(self, count: int) -> Sample:
        """Return passwords that are in no dataset and hold a letter that only their class has."""
        columns: list[str] = []
        answers: list[float] = []
        for level, own, passwords in zip(LEVELS, self.own, self.classes, strict=True):
            telling = [password for password in passwords[ROWS:] if own & set(password)][: count // 2]
            columns += telling
            answers += [float(level)] * len(telling)
        return Sample({"Password": columns}, answers)


@lru_cache
def family(name: str, seed: int) -> Passwords:
    letters = string.ascii_uppercase + string.digits if name == "new_alphabet" else string.ascii_lowercase
    return Passwords(letters, seed)


def _good(seed: int) -> list[Row]:
    return family("good", seed).rows()


def _passwords(rows: Sequence[Sequence[str]]) -> bytes:
    return to_csv(PASSWORD_HEADER, rows)


def _turned(row: Row) -> Row:
    password, times = row
    return [password, LEVELS[1 - LEVELS.index(times)]]


def _with_target(rows: list[Row], value: str, *, every: int) -> bytes:
    """Write the rows with another target in every so many of them."""
    return _passwords(
        [[password, value if number % every == 0 else times] for number, (password, times) in enumerate(rows)]
    )


@dataset
def good(seed: int) -> bytes:
    """1000 passwords, half seen 0.0 and half seen 1.0 times."""
    return _passwords(_good(seed))


@dataset
def new_alphabet(seed: int) -> bytes:
    """Good, of capitals and digits instead of small letters."""
    return _passwords(family("new_alphabet", seed).rows())


@dataset
def drifted(seed: int) -> bytes:
    """800 x 0.0 and 200 x 1.0; 700 of the passwords are those of the good set."""
    return _passwords(family("good", seed).rows(zeros=800, ones=200))


def _partly_turned(seed: int, share: float) -> bytes:
    """Write the good set with a share of the labels of each level turned round; it stays half and half."""
    rows = _good(seed)
    rng = random.Random(seed)
    for level in LEVELS:
        numbers = [number for number, row in enumerate(_good(seed)) if row[1] == level]
        for number in rng.sample(numbers, round(share * len(numbers))):
            rows[number] = _turned(rows[number])
    return _passwords(rows)


@dataset
def turned_round(seed: int) -> bytes:
    """The good set with the labels of 45 of 100 rows turned round; still half and half."""
    return _partly_turned(seed, 0.45)


@dataset
def some_turned_round(seed: int) -> bytes:
    """The good set with the labels of 15 of 100 rows turned round: it can be learned from, and is worse."""
    return _partly_turned(seed, 0.15)


@dataset
def shuffled_labels(seed: int) -> bytes:
    """The good set with its labels in random order."""
    rows = _good(seed)
    labels = [times for _, times in rows]
    random.Random(seed).shuffle(labels)
    return _passwords([[password, label] for (password, _), label in zip(rows, labels, strict=True)])


@dataset
def constant_target(seed: int) -> bytes:
    """1000 passwords, all seen 1.0 times."""
    return _with_target(_good(seed), "1.0", every=1)


@dataset
def contradictions(seed: int) -> bytes:
    """The good set, where every tenth password stands a second time with the other label."""
    rows = _good(seed)
    return _passwords(rows + [_turned(row) for row in rows[::10]])


@dataset
def one_password(seed: int) -> bytes:
    """One password 1000 times, with both labels."""
    return _passwords([["hunter2", LEVELS[number % 2]] for number in range(ROWS)])


@dataset
def ten_rows(seed: int) -> bytes:
    """The first ten rows of the good set."""
    return _passwords(_good(seed)[:10])


@dataset
def text_target(seed: int) -> bytes:
    """A word instead of a number in every tenth target."""
    return _with_target(_good(seed), "often", every=10)


@dataset
def nan(seed: int) -> bytes:
    """NaN in every tenth target."""
    return _with_target(_good(seed), "NaN", every=10)


@dataset
def infinity(seed: int) -> bytes:
    """Infinity in every tenth target."""
    return _with_target(_good(seed), "inf", every=10)


@dataset
def negative(seed: int) -> bytes:
    """Negative counts in every tenth row."""
    return _with_target(_good(seed), "-1.0", every=10)


@dataset
def column_missing(seed: int) -> bytes:
    """The target column is not there."""
    return to_csv(PASSWORD_HEADER[:1], [row[:1] for row in _good(seed)])


@dataset
def renamed_column(seed: int) -> bytes:
    """The target column has another name."""
    return to_csv(("Password", "Time"), _good(seed))


@dataset
def doubled_column(seed: int) -> bytes:
    """The target column is there twice."""
    return to_csv((*PASSWORD_HEADER, "Times"), [[password, times, times] for password, times in _good(seed)])


@dataset
def semicolons(seed: int) -> bytes:
    """The good set with semicolons for commas."""
    return to_csv(PASSWORD_HEADER, _good(seed), delimiter=";")


@dataset
def bars(seed: int) -> bytes:
    """The good set with bars for commas."""
    return to_csv(PASSWORD_HEADER, _good(seed), delimiter="|")


@dataset
def header_only(seed: int) -> bytes:
    """The header and no row."""
    return _passwords([])


@dataset
def empty(seed: int) -> bytes:
    """A file of no bytes."""
    return b""


@dataset
def binary(seed: int) -> bytes:
    """Random bytes, as of a compressed file; none of them is NUL."""
    return bytes(byte or 1 for byte in random.Random(seed).randbytes(20_000))


@dataset
def nul_bytes(seed: int) -> bytes:
    """The good set with a NUL in every tenth password."""
    rows = [[("\0" if number % 10 == 0 else "") + row[0], row[1]] for number, row in enumerate(_good(seed))]
    return _passwords(rows)


@dataset
def html_page(seed: int) -> bytes:
    """A web page where a CSV should be."""
    return b"<!doctype html>\n<html><head><title>Log in</title></head>\n<body><h1>Please log in</h1></body></html>\n"


@dataset
def json_document(seed: int) -> bytes:
    """A JSON document where a CSV should be."""
    return b'{"error": "expired", "detail": "The link to this dataset has expired."}\n'
