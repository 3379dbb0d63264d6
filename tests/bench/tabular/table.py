"""A table whose columns are known: what each of them is, which only tell rows apart, and which give the target away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

Kind = Literal["number", "boolean", "string", "text", "date", "datetime", "ignored"]
"""What a column is; whole numbers are numbers, and so are codes of a few whole numbers."""

TYPES: Mapping[Kind, tuple[str, ...]] = {
    "number": ("number", "integer"),
    "boolean": ("boolean",),
    "string": ("string",),
    "text": ("text",),
    "date": ("date",),
    "datetime": ("datetime",),
    "ignored": ("ignored",),
}
"""Types of ``task.yaml`` that are right for a kind."""


@dataclass(frozen=True)
class KnownTable:
    """A table, its target, and what is known of its columns; those that are not named are numbers.

    ``either`` names columns of which two kinds are right. ``leaks`` give the target away and have to be named as
    suspicious, ``ids`` have to be left aside.
    """

    name: str
    source: str
    target: str
    write: Callable[[Path], None]
    kinds: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    either: Mapping[str, tuple[Kind, Kind]] = field(default_factory=dict)
    leaks: frozenset[str] = frozenset()
    delimiter: str = ","

    def right(self, column: str) -> tuple[str, ...]:
        """Return the types that are right for a column."""
        if column in self.either:
            return tuple(type_ for kind in self.either[column] for type_ in TYPES[kind])
        named: Kind = next((kind for kind, columns in self.kinds.items() if column in columns), "number")
        return TYPES[named]

    def frame(self, path: Path) -> pd.DataFrame:
        """Return the table as it was written, all values as texts."""
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, sep=self.delimiter, encoding="utf-8-sig")
        return frame.rename(columns=lambda name: "" if name.startswith("Unnamed: ") else name)
