"""Values in apostrophes: some programs quote with them (``QUOTE ''''``, ``ENCLOSED BY ''''``, ARFF), RFC 4180 does not.

Read as they stand, such values would keep the apostrophes as a part of them, and a doubled one would stay two. An
apostrophe is a character like others, and words may begin and end with it, so one value tells nothing: the column does.
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


@dataclass
class _Seen:
    values: int = 0
    some: int = 0
    quoted: int = 0
    doubled: int = 0
    first: tuple[int, str] | None = None

    @property
    def are_quotes(self) -> bool:
        """Whether nearly all values are quoted so, or each that has an apostrophe is, and one inside is doubled."""
        return self.quoted > 0 and (
            self.quoted >= MOSTLY * self.values or bool(self.doubled and self.quoted == self.some)
        )


class Apostrophes:
    """Counts them in the columns of words, block by block."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._seen = {name: _Seen() for name in columns}

    def look(self, text: pd.DataFrame) -> None:
        """Take the next rows, indexed by their lines."""
        for name, seen in self._seen.items():
            seen.values += len(text)
            some = text[name][text[name].str.contains("'", regex=False)]
            if not len(some):
                continue
            quoted = some[some.str.fullmatch(_QUOTED)]
            seen.some += len(some)
            seen.quoted += len(quoted)
            seen.doubled += int(quoted.str.slice(1, -1).str.contains("''", regex=False).sum())
            if seen.first is None and len(quoted):
                seen.first = int(str(quoted.index[0])), str(quoted.iloc[0])

    def reason(self) -> Reason | None:
        """Return what is wrong with the first column whose quotes they are."""
        for name, seen in self._seen.items():
            if seen.are_quotes and seen.first is not None:
                line, value = seen.first
                return reason(
                    Code.QUOTE_SINGLE,
                    f"{seen.quoted:,} values of {name} stand in single quotes, which would be read as part of them, "
                    f"first line {line}: {shorten(value)}",
                    'double quotes around values, or none: "it\'s"',
                    column=name,
                    figures={"rows": seen.quoted},
                    rows=[{"line": line, name: shorten(value)}],
                )
        return None
