"""What a dataset is: a name, and what makes its bytes from a seed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROWS = 1000

MAKERS: dict[str, Callable[[int], bytes]] = {}
"""What makes the bytes of a dataset from a seed, by the dataset's name."""


@dataclass(frozen=True)
class Sample:
    """Inputs for a predictor, a list for each column, and the right answers in the same order."""

    columns: dict[str, list[Any]]
    answers: list[float]


def dataset(make: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Offer the dataset that a function makes under the function's name."""
    MAKERS[make.__name__] = make
    return make


def to_csv(header: Sequence[str], rows: Sequence[Sequence[str]], *, delimiter: str = ",") -> bytes:
    """Write a CSV with ``\\n`` at the end of each line."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()
