"""Values in apostrophes: some programs quote with them (``QUOTE ''''``, ``ENCLOSED BY ''''``, ARFF), RFC 4180 does not.

Read as they stand, such values would keep the apostrophes as a part of them, and a doubled one would stay two. An
apostrophe is a character like others, and words may begin and end with it, so one value tells nothing: the column does.
What one value alone might tell is a warning. The same is it with ``="007"``, which keeps Excel from taking a text for a
number, and is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_pipeline.data.reasons import reason, shorten

MOSTLY = 0.9
"""Share of a column's values that stand in apostrophes, from which on they are its quotes."""

_QUOTED = r"'(?:[^']|'')*'"
_FORMULA = r'="(?:[^"]|"")*"'


@dataclass
class _Seen:
    values: int = 0
    some: int = 0
    quoted: int = 0
    doubled: int = 0
    first: tuple[int, str] | None = None
    formulas: int = 0
    first_formula: tuple[int, str] | None = None

    @property
    def are_nearly_all(self) -> bool:
        """Whether nearly all values are quoted so."""
        return self.quoted > 0 and self.quoted >= MOSTLY * self.values

    @property
    def are_quotes(self) -> bool:
        """Whether nearly all values are quoted so, or each that has an apostrophe is, and one inside is doubled."""
        return self.are_nearly_all or bool(self.doubled and self.quoted == self.some)

    @property
    def are_formulas(self) -> bool:
        """Whether nearly all values are formulas that are a text."""
        return self.formulas > 0 and self.formulas >= MOSTLY * self.values


class Apostrophes:
    """Counts them in the columns of words, block by block."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._seen = {name: _Seen() for name in columns}

    def look(self, text: pd.DataFrame) -> None:
        """Take the next rows, indexed by their lines."""
        for name, seen in self._seen.items():
            values = text[name]
            seen.values += len(values)
            formulas = _those(values, values.str.startswith('="'), _FORMULA)
            seen.formulas += len(formulas)
            seen.first_formula = seen.first_formula or _first(formulas)
            some = values[values.str.contains("'", regex=False)]
            quoted = _those(some, some.str.startswith("'"), _QUOTED)
            seen.some += len(some)
            seen.quoted += len(quoted)
            seen.doubled += int(quoted.str.slice(1, -1).str.contains("''", regex=False).sum())
            seen.first = seen.first or _first(quoted)

    def reason(self) -> Reason | None:
        """Return what is wrong with the first column whose quotes they are."""
        for name, seen in self._seen.items():
            if seen.are_formulas and seen.first_formula is not None:
                return _formulas(name, seen.formulas, *seen.first_formula)
            if seen.are_quotes and seen.first is not None:
                return _quotes(name, seen, *seen.first)
        return None


def _those(values: pd.Series[str], begin: pd.Series[bool], pattern: str) -> pd.Series[str]:
    """Return the values that are as a pattern says; only those that begin so are looked at."""
    if not begin.any():
        return values[:0]
    found = values[begin]
    return found[found.str.fullmatch(pattern)]


def _first(values: pd.Series[str]) -> tuple[int, str] | None:
    return (int(str(values.index[0])), str(values.iloc[0])) if len(values) else None


def _quotes(name: str, seen: _Seen, line: int, value: str) -> Reason:
    rows = [{"line": line, name: shorten(value)}]
    if seen.quoted == 1 and not seen.are_nearly_all:
        return reason(
            Code.QUOTE_SINGLE,
            f"line {line} of {name} is {shorten(value)}, read as it stands; it looks like a value in single quotes",
            'double quotes around values, or none, if these are quotes: "it\'s"',
            severity="warning",
            column=name,
            rows=rows,
        )
    return reason(
        Code.QUOTE_SINGLE,
        f"{seen.quoted:,} values of {name} stand in single quotes, which would be read as part of them, "
        f"first line {line}: {shorten(value)}",
        'double quotes around values, or none: "it\'s"',
        column=name,
        figures={"rows": seen.quoted},
        rows=rows,
    )


def _formulas(name: str, count: int, line: int, value: str) -> Reason:
    return reason(
        Code.QUOTE_STRAY,
        f"{count:,} values of {name} are formulas of Excel, whose signs would be read as part of them, "
        f"first line {line}: {shorten(value)}",
        'the values alone: 007 instead of ="007"',
        column=name,
        figures={"rows": count},
        rows=[{"line": line, name: shorten(value)}],
    )
