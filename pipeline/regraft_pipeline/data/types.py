"""From text to types: what the values of a CSV mean under a contract, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.contract import NUMBER_FORMAT, Column, Contract
from regraft_core.written import FALSE, NOT_KNOWN, NUMBER, TRUE
from regraft_inference.columns import TIME, ZONES, dtype_of

type Mask = NDArray[np.bool_]
type Add = Callable[[Code, Column, pd.DataFrame, Mask], None]
"""Take note of the rows of a block of text in which a column has what a code says."""

NO_BREAK = "[\u00a0\u202f\u2009]"
"""Blanks between the thousands of a number at which no line is broken."""

INFINITE = r"[+-]?inf(inity)?"
DATE = r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?( ?(Z|UTC|GMT|[+-]00(:?00)?))?)?"
DATETIME = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?)?"


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written, told by an example such as ``$1,234.5`` or ``1.234,5 €``."""

    before: str = ""
    thousands: str = ""
    decimal: str = "."
    after: str = ""

    @classmethod
    def of(cls, example: str | None) -> NumberFormat:
        """Return what the example tells. Raises ValueError where it is none."""
        if example is None:
            return cls()
        found = NUMBER_FORMAT.fullmatch(example)
        if found is None:
            raise ValueError(f"{example!r} is no number such as 1,234.5 or 1.234,5 or $1234.5")
        decimal = found["decimal"] or ("," if found["thousands"] == "." else ".")
        return cls(found["before"].strip(), found["thousands"], decimal, found["after"].strip())

    def plain(self, values: pd.Series[str]) -> pd.Series[str]:
        """Return numbers as they are mostly written; what does not follow the format becomes no number."""
        if self == NumberFormat():
            return values
        found = values
        if self.before or self.after:  # of money, less than nothing is written (5), too
            found = found.str.replace(r"^\((.+)\)$", r"-\1", regex=True)
        if self.before:
            found = found.str.replace(rf"^([+-]?)\s*{re.escape(self.before)}\s*", r"\1", regex=True)
        if self.after:
            found = found.str.removesuffix(self.after).str.strip()
        if self.thousands == " ":
            found = found.str.replace(NO_BREAK, " ", regex=True)
        if self.thousands:
            whole = rf"[+-]?\d{{1,3}}({re.escape(self.thousands)}\d{{3}})*({re.escape(self.decimal)}\d*)?"
            grouped = found.str.fullmatch(whole)
            found = found.where(~grouped, found.str.replace(self.thousands, "", regex=False))
        if self.decimal != ".":
            swapped = found.str.replace(".", "\0", regex=False).str.replace(self.decimal, ".", regex=False)
            found = found.where(found.str.fullmatch(r"[+-]?\d+"), swapped)
        return found


def typed(text: pd.DataFrame, contract: Contract, add: Add) -> pd.DataFrame:
    """Return the rows whose values all have their column's type; what is wrong with the others goes to ``add``."""
    bad = np.zeros(len(text), dtype=bool)
    columns: dict[str, pd.Series] = {}
    for column in contract.columns:
        columns[column.name], wrong = _READERS[column.type](column, text, add)
        bad |= wrong
    frame = pd.DataFrame(columns, index=text.index)[~bad]
    kinds = {column.name: str(dtype) for column in contract.columns if (dtype := dtype_of(column)) is not None}
    return frame.astype(kinds)


def _missing(column: Column, text: pd.DataFrame, values: pd.Series[str], add: Add) -> tuple[Mask, Mask]:
    """Return where there is no value, and where that is wrong."""
    empty = (values == "").to_numpy(dtype=bool)
    unknown = np.zeros(len(values), dtype=bool)
    if not column.is_open:
        stripped = values.str.strip()
        empty = (stripped == "").to_numpy(dtype=bool)
        lower = stripped.str.lower()
        unknown = lower.isin(NOT_KNOWN).to_numpy(dtype=bool)
        if column.categories is not None and column.type == "string":
            unknown &= ~stripped.isin([str(one) for one in column.categories]).to_numpy(dtype=bool)
    gaps = empty | unknown
    if column.nullable:
        if column.nullable is not True:
            add(Code.VALUE_MISSING, column, text, gaps)  # how many there are is held against the share
        return gaps, np.zeros(len(values), dtype=bool)
    add(Code.VALUE_MISSING, column, text, empty)
    add(Code.VALUE_NAN, column, text, unknown)
    return gaps, gaps


def _strings(column: Column, text: pd.DataFrame, add: Add) -> tuple[pd.Series, Mask]:
    values = text[column.name]
    gaps, wrong = _missing(column, text, values, add)
    if column.categories is not None and (other := ~values.isin(column.categories)).any():
        stripped = values[other].str.strip()  # blanks around a word are no part of it, unless the contract names them
        values = values.mask(other, stripped.where(stripped.isin(column.categories), values[other]))
    return (values.mask(gaps) if column.nullable else values), wrong


def _numbers(column: Column, text: pd.DataFrame, add: Add) -> tuple[pd.Series, Mask]:
    values = text[column.name].str.strip()
    gaps, wrong = _missing(column, text, values, add)
    values = NumberFormat.of(column.format).plain(values)
    written = values.str.fullmatch(NUMBER).to_numpy(dtype=bool) & ~gaps
    numbers = np.full(len(text), np.nan)
    numbers[written] = values[written].astype("float64").to_numpy()
    infinite = np.isinf(numbers)
    others = np.flatnonzero(~written & ~gaps)
    if len(others):  # there are hardly ever any, and a search takes its time even where there is nothing to search
        infinite[others] = values.iloc[others].str.lower().str.fullmatch(INFINITE)
    words = ~written & ~gaps & ~infinite
    fractions = np.zeros(len(text), dtype=bool)
    if column.type == "integer":
        with np.errstate(invalid="ignore"):
            fractions = written & ~infinite & ((numbers % 1 != 0) | (np.abs(numbers) > 2**53))
    add(Code.VALUE_INFINITE, column, text, infinite)
    add(Code.VALUE_NOT_NUMERIC, column, text, words)
    add(Code.VALUE_NOT_INTEGER, column, text, fractions)
    return pd.Series(numbers, index=text.index), wrong | infinite | words | fractions


def _booleans(column: Column, text: pd.DataFrame, add: Add) -> tuple[pd.Series, Mask]:
    values = text[column.name].str.strip()
    gaps, wrong = _missing(column, text, values, add)
    lower = values.str.lower()
    true, false = (lower.isin(words).to_numpy(dtype=bool) for words in (TRUE, FALSE))
    words = ~true & ~false & ~gaps
    add(Code.VALUE_NOT_BOOLEAN, column, text, words)
    return pd.Series(np.where(gaps, np.nan, true.astype(np.float64)), index=text.index), wrong | words


def _times(column: Column, text: pd.DataFrame, add: Add) -> tuple[pd.Series, Mask]:
    values = text[column.name].str.strip()
    gaps, wrong = _missing(column, text, values, add)
    words = values.astype(object)
    iso = values.str.fullmatch(DATE if column.type == "date" else DATETIME).to_numpy(dtype=bool) & ~gaps
    times = np.full(len(text), np.datetime64("NaT", "us"), dtype=TIME)
    times[iso] = times_of(words[iso], "ISO8601")
    if column.format is not None and (other := ~iso & ~gaps).any():
        times[other] = times_of(words[other], column.format)
    no_time = np.isnat(times) & ~gaps
    add(Code.VALUE_NOT_DATE, column, text, no_time)
    return pd.Series(times, index=text.index), wrong | no_time


def times_of(values: pd.Series[str], form: str) -> NDArray[np.datetime64]:
    """Return words of a form (``ISO8601``, or with % as ``strptime`` has it) as times in UTC; NaT for what is none."""
    if form == "ISO8601" and (named := values.str.endswith(ZONES)).any():
        values = values.mask(named, values.str[:-3].str.rstrip() + "Z")
    found = pd.to_datetime(values, format=form, errors="coerce", utc=True)
    return found.dt.tz_localize(None).to_numpy(dtype=TIME)


def plain(values: Sequence[str], form: str, *, is_time: bool) -> list[str]:
    """Return values that a file writes in a column's ``format`` as JSON has them; those that do not follow it stay."""
    words = pd.Series(values, dtype=str).str.strip()
    if is_time:
        times = pd.Series(times_of(words.astype(object), form))
        return words.where(times.isna(), times.astype(str).str.replace(" ", "T")).tolist()
    numbers = NumberFormat.of(form).plain(words)
    return words.where(~numbers.str.fullmatch(NUMBER), numbers).tolist()


_READERS: dict[str, Callable[[Column, pd.DataFrame, Add], tuple[pd.Series, Mask]]] = {
    "string": _strings,
    "text": _strings,
    "number": _numbers,
    "integer": _numbers,
    "boolean": _booleans,
    "date": _times,
    "datetime": _times,
}
