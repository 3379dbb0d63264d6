"""Decides what becomes of each column of a table, and what is suspicious about it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.definition.task import Problem
from regraft_core.errors import BadRequestError
from regraft_core.written import NUMBER
from regraft_pipeline.init import suspicions
from regraft_pipeline.init.kinds import MAX_CATEGORIES, Kind, is_clock, kind_of
from regraft_pipeline.init.suspicions import Suspicion

ID_NAME = re.compile(r"(^|[_\s.-])(id|uuid|guid|rownames?|index)$|^(id|unnamed: ?\d*|)$|[a-z0-9](Id|ID)$")
TIME_NAME = re.compile(r"year|time|date|day|month|week|jahr|age|hour", re.IGNORECASE)
UNIQUE = 0.9
"""Share of different values from which short strings without a space stand for the row."""

POSTAL_NAME = re.compile(r"zip|postal|postcode|post_code|plz", re.IGNORECASE)
"""Codes of places are many, too, but they say where."""

FEW_LEVELS = 20
MOST_NAMED = 30
"""Most columns of a table that are named in a message."""

FEWEST_ROWS = 20
"""Fewest rows that a task is made of; the gates ask for no fewer."""

MAX_CLASSES = 20
"""Most different whole numbers that are taken for classes when they are the target."""

HEAVY = 10.0
"""A column whose largest value is so many times its middle range beyond the median gets no largest value."""

UNITS = {
    "mm": "mm", "cm": "cm", "km": "km", "kg": "kg", "mg": "mg", "lb": "lb", "lbs": "lb", "mph": "mph", "kmh": "km/h",
    "usd": "USD", "eur": "EUR", "gbp": "GBP", "pct": "%", "percent": "%", "celsius": "°C", "fahrenheit": "°F",
    "sqft": "square feet", "sqm": "square metres", "m2": "square metres", "ml": "ml", "kwh": "kWh", "hp": "hp",
    "years": "years", "days": "days", "hours": "hours", "minutes": "minutes", "seconds": "seconds", "ms": "ms",
    "inches": "inches", "in": "inches", "ft": "feet", "g": "g", "m": "m",
}  # fmt: skip


@dataclass(frozen=True)
class ColumnDraft:
    """What a column was taken for, what is done with it, and why."""

    name: str
    kind: Kind
    ignored: str | None = None
    is_target: bool = False
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    trend: bool = False
    notes: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The type in the file; of an ignored column none."""
        return "ignored" if self.ignored else self.kind.type

    @property
    def why(self) -> str:
        """The reasons in a sentence."""
        return "; ".join([self.ignored or self.kind.why, *self.notes])


@dataclass(frozen=True)
class Draft:
    """A task that a table suggests."""

    columns: tuple[ColumnDraft, ...]
    target: ColumnDraft
    problem: Problem
    rows: int
    suspicions: tuple[Suspicion, ...] = field(default=())

    def readable(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows whose values are all what their columns were taken for."""
        good = np.ones(len(frame), dtype=bool)
        for column in self.columns:
            if not column.ignored and column.kind.others and column.kind.numbers is not None:
                there = frame[column.name].str.strip().isin(list(column.kind.counts)).to_numpy(dtype=bool)
                good &= ~(there & np.isnan(column.kind.numbers))
        return frame[good]

    @property
    def features(self) -> list[ColumnDraft]:
        """The columns that tell of the target."""
        return [column for column in self.columns if not column.ignored and not column.is_target]


def draft(frame: pd.DataFrame, target: str, *, ignore: Collection[str] = ()) -> Draft:
    """Return the task that a table of texts suggests.

    Raises BadRequestError: ``column_missing`` where there is no such target or column, ``not_a_table`` of too
    few rows, ``target_unusable``.
    """
    for name in (target, *ignore):
        if name not in frame.columns:
            raise BadRequestError(_no_column(name, [*frame.columns]), code=Code.COLUMN_MISSING)
    if len(frame) < FEWEST_ROWS:
        few = f"the table has {len(frame)} row{'s' * (len(frame) != 1)}; a model needs at least {FEWEST_ROWS}"
        raise BadRequestError(few, code=Code.NOT_A_TABLE)
    kinds = {name: kind_of(frame[name], name=name, target=name == target) for name in frame.columns}
    aim, problem = _target(target, kinds[target], len(frame))
    truth = suspicions.truth_of(frame[target], kinds[target], problem)
    timed = any(suspicions.is_sorted(kind) for kind in kinds.values() if kind.type in ("date", "datetime"))
    columns, found = [], []
    for name, kind in kinds.items():
        if name == target:
            columns.append(aim)
            continue
        column = _feature(name, kind, frame[name], timed=timed)
        if name in ignore:
            column = ColumnDraft(name, kind, ignored="left aside, as you say")
        elif column.ignored is None and (copy := suspicions.copy_of_target(frame[name], kind, truth, frame[target])):
            column = ColumnDraft(name, kind, ignored=copy)
            found.append(Suspicion("copy", name, copy))
        elif column.ignored is None and (leak := suspicions.leak(frame[name], kind, truth)):
            column = replace(column, notes=(*column.notes, leak))
            found.append(Suspicion("leak", name, leak))
        columns.append(column)
    columns = _with_a_feature(columns)
    found += [Suspicion("note", column.name, note) for column in columns for note in column.kind.notes]
    found += suspicions.few_rows(kinds[target], problem, target)
    return Draft(tuple(columns), aim, problem, len(frame), tuple(found))


def _no_column(name: str, names: list[str]) -> str:
    alike = [one for one in names if one.strip() == name.strip()]
    told = f"there is no column {name!r}; there are: {', '.join(map(repr, names[:MOST_NAMED]))}"
    if len(names) > MOST_NAMED:
        told += f" and {len(names) - MOST_NAMED} more"
    if alike:
        return f"{told}. Blanks count: the column is {alike[0]!r}"
    if all(re.fullmatch(NUMBER, one.strip()) for one in names):
        return f"{told}. Those are numbers: a table needs a first line with the names of its columns"
    close = get_close_matches(name, names, n=1)
    return f"{told}. Did you mean {close[0]!r}?" if close else told


def _target(name: str, kind: Kind, rows: int) -> tuple[ColumnDraft, Problem]:
    if not kind.counts:
        raise _unusable(f"the target {name!r} has no value in any row: there is nothing to learn")
    if len(kind.counts) < 2:
        raise _unusable(f"the target {name!r} has one value in all rows: there is nothing to learn")
    if kind.type in ("date", "datetime", "text") or (kind.type == "string" and kind.categories is None):
        many = f"{len(kind.counts):,} different values ({kind.why})" if kind.type == "string" else f"{kind.type}s"
        notes = "".join(f"; {note}" for note in kind.notes)
        raise _unusable(f"the target {name!r} has {many}: it must be numbers or a few labels{notes}")
    unit = _unit(name) or _sign(kind)
    gaps = (f"{kind.gaps} of {rows} rows have none: they are left out",) if kind.gaps else ()
    if kind.type == "integer" and len(kind.counts) <= min(MAX_CLASSES, max(2, rows // 10)) and kind.others == 0:
        values = tuple(sorted({int(float(word)) for word in kind.counts})) if kind.format is None else None
        if values is not None and (len(values) <= 10):
            note = f"{len(values)} different whole numbers are taken for classes; for counts say 'problem: regression'"
            kind = replace(kind, categories=values)
            return ColumnDraft(
                name, kind, is_target=True, notes=gaps if len(values) == 2 else (note, *gaps)
            ), "classification"
    if kind.type in ("boolean", "string"):
        return ColumnDraft(name, kind, is_target=True, notes=gaps), "classification"
    low = 0.0 if kind.numbers is not None and np.nanmin(kind.numbers) >= 0 else None
    return ColumnDraft(name, kind, is_target=True, unit=unit, minimum=low, notes=gaps), "regression"


def _unusable(why: str) -> BadRequestError:
    return BadRequestError(why, code=Code.TARGET_UNUSABLE)


def _feature(name: str, kind: Kind, values: pd.Series[str], *, timed: bool) -> ColumnDraft:
    if ignored := _useless(name, kind, values):
        return ColumnDraft(name, kind, ignored=ignored, notes=kind.notes)
    notes: list[str] = list(kind.notes)
    low = high = None
    if kind.type in ("number", "integer"):
        if (codes := _codes(kind)) is not None:
            kind = replace(kind, categories=codes, why="the codes 0 and 1")
        elif (numbers := kind.numbers) is not None:
            low, high = _range(numbers)
    trend = suspicions.trend(kind, name, timed=timed)
    if trend:
        notes.append(trend)
        low = high = None  # where the values will go nobody knows
    if kind.gaps:
        notes.append(f"{kind.gaps / len(values):.1%} are missing")
    return ColumnDraft(name, kind, None, False, _unit(name) or _sign(kind), low, high, bool(trend), tuple(notes))


def _useless(name: str, kind: Kind, values: pd.Series[str]) -> str | None:
    """Return why a column tells nothing, None where it may tell something."""
    if not kind.counts:
        return "empty in all rows"
    if len(kind.counts) == 1 and kind.gaps == 0:
        return f"the same in all rows: {next(iter(kind.counts))!r}"
    return _identifier(name, kind) if len(values) > FEW_LEVELS else None


def _identifier(name: str, kind: Kind) -> str | None:
    """Return why a column only tells rows apart, None where it does not."""
    different = len(kind.counts)
    named = ID_NAME.search(name) is not None or ID_NAME.search(name.lower()) is not None
    if kind.type == "integer" and kind.numbers is not None and different == kind.rows:
        low, high = np.nanmin(kind.numbers), np.nanmax(kind.numbers)
        counted = low in (0, 1) or suspicions.is_sorted(kind)
        if high - low == different - 1 and counted and not TIME_NAME.search(name):
            return f"counts the rows from {low:.0f} to {high:.0f}"
    elif kind.type in ("string", "text") and kind.categories is None:
        words = [word for word in kind.counts if " " in word and any(map(str.isalpha, word))]
        place = POSTAL_NAME.search(name) is not None and different < kind.rows
        if different > MAX_CATEGORIES and is_clock(kind.counts):
            return "times of day, or durations: as words they tell nothing; hours as a number, such as 14.5, would"
        if kind.dated and different > MAX_CATEGORIES:
            return "dates, not all in one form: as words they tell nothing"
        if different >= UNIQUE * kind.rows and not words and not place:
            return "an identifier: another value in (nearly) every row"
    if named and different > FEW_LEVELS and kind.type in ("string", "integer"):
        cause = "by its name" if name else "for it has no name, as the row names that pandas and R write"
        return f"an identifier {cause}: {different:,} different values"
    return None


def _with_a_feature(columns: list[ColumnDraft]) -> list[ColumnDraft]:
    """Return the columns with at least one feature: what looks like an identifier may be all there is."""
    if any(not column.ignored and not column.is_target for column in columns):
        return columns
    for place, column in enumerate(columns):
        if column.is_target or len(column.kind.counts) < 2 or column.kind.type not in ("string", "text", "integer"):
            continue
        kind = replace(column.kind, why="looks like an identifier, but there is nothing else")
        kind = replace(kind, type="integer" if kind.type == "integer" else "string")
        return [*columns[:place], ColumnDraft(column.name, kind), *columns[place + 1 :]]
    raise _unusable("no column is left that could tell of the target")


def _codes(kind: Kind) -> tuple[int, ...] | None:
    values = {float(word) for word in kind.counts} if kind.format is None and not kind.others else set()
    return (0, 1) if values == {0.0, 1.0} and kind.type == "integer" else None


def _range(numbers: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return a range with half as much room on either side; none above where the values have a heavy tail."""
    low, first, median, third, high = np.nanquantile(numbers, (0, 0.25, 0.5, 0.75, 1))
    room = (high - low) / 2
    minimum = 0.0 if low >= 0 and low - room < 0 else _rounded(low - room, down=True)
    if high - median > HEAVY * max(third - first, 1e-12):
        return (minimum if low >= 0 else None), None
    return minimum, _rounded(high + room, down=False)


def _rounded(value: float, *, down: bool) -> float:
    """Return the value with two digits, away from the data."""
    if not value:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    rounded = (np.floor if down else np.ceil)(value / step) * step
    return float(f"{rounded:.10g}")


def _unit(name: str) -> str | None:
    """Return the unit that a name says: body_mass_g, height (cm), weight [kg]."""
    words = re.findall(r"[A-Za-z0-9%]+", name)
    bracketed = re.search(r"[(\[]([^)\]]+)[)\]]\s*$", name)
    if bracketed:
        return UNITS.get(bracketed[1].lower(), bracketed[1])
    last = words[-1].lower() if len(words) > 1 else ""
    return UNITS.get(last) if last not in ("in", "g", "m") or "_" in name else None


def _sign(kind: Kind) -> str | None:
    if kind.format is None or kind.type in ("date", "datetime"):
        return None
    found = re.sub(r"[\d.,' ]", "", kind.format)
    return found or None


__all__ = ["MAX_CATEGORIES", "ColumnDraft", "Draft", "draft"]
