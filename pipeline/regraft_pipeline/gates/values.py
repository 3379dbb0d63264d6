"""What is wrong with the values of a file, added up over its blocks, and what would have passed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.presentation.figures import exact
from regraft_core.verdict import Reason
from regraft_core.written import FALSE, TRUE
from regraft_pipeline.data.reasons import EXAMPLES, examples, reason
from regraft_pipeline.tasks import GateSettings

type Mask = NDArray[np.bool_]

_MISSING = {Code.VALUE_MISSING: "is empty", Code.VALUE_NAN: "is not known (NaN, ?, N/A or the like)"}
_WRONG_TYPE = {
    Code.VALUE_INFINITE: "is infinite",
    Code.VALUE_NOT_NUMERIC: "is not a number",
    Code.VALUE_NOT_INTEGER: "is not a whole number",
    Code.VALUE_NOT_BOOLEAN: "is not true or false",
    Code.VALUE_NOT_DATE: "is not a date",
    Code.VALUE_NOT_IN_CATEGORIES: "is none of the allowed values",
}
_OUT_OF_BOUNDS = {
    Code.VALUE_TOO_SHORT: "is too short",
    Code.VALUE_TOO_LONG: "is too long",
    Code.VALUE_NEGATIVE: "is negative",
    Code.VALUE_TOO_SMALL: "is too small",
    Code.VALUE_TOO_LARGE: "is too large",
}


@dataclass
class Finding:
    """In how many rows something is wrong, and the first of them."""

    count: int = 0
    rows: list[dict[str, object]] = field(default_factory=list)


class Findings:
    """What is wrong with the values of all blocks, by code and column."""

    def __init__(self, contract: Contract) -> None:
        self.columns = {column.name: column for column in contract.columns}
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, code: Code, column: Column, text: pd.DataFrame, mask: Mask) -> None:
        """Take note of the rows of a block in which something is wrong."""
        if not mask.any():
            return
        found = self._found.setdefault((code, column.name), Finding())
        found.count += int(mask.sum())
        if len(found.rows) < EXAMPLES:
            found.rows += examples(text[mask])[: EXAMPLES - len(found.rows)]

    def reasons(self, total: int, settings: GateSettings) -> list[Reason]:
        """Return the reasons: first wrong types, then what is out of bounds, each in the columns' order.

        A small share of rows that are out of bounds is left out with a warning, as empty ones are: all together no
        more than ``max_invalid_share``.
        """
        out = sum(found.count for (code, _), found in self._found.items() if code in _OUT_OF_BOUNDS)
        may_be_left_out = out <= settings.max_invalid_share * total
        reasons = []
        for codes in (_MISSING | _WRONG_TYPE, _OUT_OF_BOUNDS):
            for name, column in self.columns.items():
                for code, what in codes.items():
                    found = self._found.get((code, name))
                    if found is None:
                        continue
                    if code in _MISSING:
                        limit = float(column.nullable) or settings.max_null_share
                        if not column.nullable or found.count > limit * total:
                            reasons.append(_missing(column, found, total, code=code, limit=limit))
                    elif code in _OUT_OF_BOUNDS and may_be_left_out:
                        reasons.append(_left_out(column, found, total, code=code, what=what, settings=settings))
                    else:
                        reasons.append(_refused(column, found, total, code=code, what=what, settings=settings))
        return reasons


def _refused(
    column: Column, found: Finding, total: int, *, code: Code, what: str, settings: GateSettings, **details: object
) -> Reason:
    first = f"first line {found.rows[0]['line']}: {found.rows[0][column.name]!r}"
    limit = settings.max_invalid_share if code in _OUT_OF_BOUNDS else 0
    return reason(
        code,
        f"{column.name} {what} in {found.count} of {total} rows, {first}",
        _remedy(code, column, found),
        column=column.name,
        figures={"rows": found.count, "share": round(found.count / total, 6), "limit": limit},
        rows=found.rows,
        **details,
    )


def _left_out(column: Column, found: Finding, total: int, *, code: Code, what: str, settings: GateSettings) -> Reason:
    said = f"{what} and left out"
    return _refused(column, found, total, code=code, what=said, settings=settings, severity="warning")


def _missing(column: Column, found: Finding, total: int, *, code: Code, limit: float) -> Reason:
    share = found.count / total
    allowed = "may be" if column.nullable else "are dropped"
    return reason(
        code,
        f"{column.name} {_MISSING[code]} in {found.count} of {total} rows ({share:.2%}; at most {limit:.0%} {allowed})",
        f"a value in at least {1 - limit:.0%} of the rows",
        severity="error" if share > limit else "warning",
        column=column.name,
        figures={"rows": found.count, "share": round(share, 6), "limit": limit},
        rows=found.rows,
    )


def _remedy(code: Code, column: Column, found: Finding) -> str:
    unit = f" {column.unit}" if column.unit else ""
    meaning = f" ({column.description})" if column.description else ""
    written = _as_written([str(row[column.name]) for row in found.rows], column)
    if written and code in (Code.VALUE_NOT_NUMERIC, Code.VALUE_NOT_IN_CATEGORIES, Code.VALUE_NOT_INTEGER):
        return written + (meaning if column.categories else "")
    return {
        Code.VALUE_INFINITE: "finite numbers",
        Code.VALUE_NOT_NUMERIC: f"numbers with a decimal point{unit and ', in'}{unit}",
        Code.VALUE_NOT_INTEGER: "whole numbers",
        Code.VALUE_NOT_BOOLEAN: "true or false, yes or no, 1 or 0",
        Code.VALUE_NOT_DATE: f"dates as {column.format or '2026-01-31'}",
        Code.VALUE_NOT_IN_CATEGORIES: f"one of {', '.join(map(str, column.categories or ()))}{meaning}",
        Code.VALUE_TOO_SHORT: f"at least {column.min_length} characters",
        Code.VALUE_TOO_LONG: f"at most {column.max_length} characters",
        Code.VALUE_NEGATIVE: "numbers of 0 or more",
        Code.VALUE_TOO_SMALL: f"at least {exact(column.minimum or 0)}{unit}",
        Code.VALUE_TOO_LARGE: f"at most {exact(column.maximum or 0)}{unit}",
    }[code]


def _as_written(values: list[str], column: Column) -> str:
    """Return what to write instead of values such as these, where they are written in a way that is known."""
    first = values[0].strip()
    if column.name in values:
        return f"one header: {column.name!r} stands again among the rows, as where two files were joined"
    if not column.is_number:
        return ""
    if first.lower() in (*TRUE, *FALSE):
        return "1 for True and 0 for False"
    return next((write(first) for pattern, write in _WRITTEN.items() if pattern.fullmatch(first)), "")


def _ungrouped(value: str) -> str:
    plain = re.sub(r"[^\d.+-]", "", value.replace(".", "") if value.count(".") > 1 else value)
    return f"numbers without thousands separators: {plain} instead of {value!r}"


_WRITTEN: dict[re.Pattern[str], Callable[[str], str]] = {
    re.compile(r"[+-]?\d{1,3}([,.'\u2019_\s]\d{2,3})*[,.'\u2019_\s]\d{3}([.,]\d+)?"): _ungrouped,
    re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?"): lambda value: (
        f"a decimal point: {value.replace(',', '.')} instead of {value!r}"
    ),
    re.compile(r"(-?\d+ days? )?[+-]?\d{1,3}:\d{2}(:\d{2}([.,]\d+)?)?"): lambda value: (
        f"times and durations as a number, such as hours or seconds, instead of {value!r}"
    ),
    re.compile(r"[+-]?[\d.,]+\s*%"): lambda value: (
        f"numbers without a percent sign, on the scale of the reference, instead of {value!r}"
    ),
    re.compile(r"[+-]?[\d.,]*\d\s*[^\d\s]{1,6}|[^\d\s+-]{1,4}\s*[\d.,]*\d"): lambda value: (
        f"the number alone, without a unit or currency, instead of {value!r}"
    ),
}
"""How numbers are written that are none to programs, and what to write instead."""
