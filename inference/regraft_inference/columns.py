"""Values of columns: as JSON has them, and as estimators take them.

| type | in JSON | for an estimator | a gap |
|---|---|---|---|
| number | number | float64 | NaN |
| integer | number | int64; float64 where gaps are allowed | NaN |
| boolean | true, false | bool; float64 of 0 and 1 where gaps are allowed | NaN |
| string, text | string | list of str | None |
| date, datetime | ISO 8601 | datetime64[us], in UTC where an offset was given | NaT |
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Column

TIME = np.dtype("datetime64[us]")
"""How dates and points in time are held."""

ZONES = ("UTC", "GMT")
"""Names of the one zone that is taken by its name: some databases write it."""

WHOLE = {"number": np.dtype(np.float64), "integer": np.dtype(np.int64), "boolean": np.dtype(np.bool_)}
GAPPED = dict.fromkeys(WHOLE, np.dtype(np.float64))
"""Types of arrays without gaps, and with them."""


def dtype_of(column: Column) -> np.dtype[Any] | None:
    """Return the type of an estimator's array of this column, None where it is a list of strings."""
    if column.is_time:
        return TIME
    return (GAPPED if column.nullable else WHOLE).get(column.type)


def typed_values(column: Column, values: Any) -> list[str | None] | NDArray[Any]:
    """Return valid values, from JSON or an array, as an estimator takes them. Raises ValueError for what is none."""
    if column.type in ("string", "text"):
        found: list[str | None] = values if isinstance(values, list) else list(values)
        return found
    dtype = dtype_of(column)
    if column.is_time and not (isinstance(values, np.ndarray) and values.dtype.kind == "M"):
        return np.array([parse_time(value) for value in values], dtype=TIME)
    return np.asarray(values, dtype=dtype)


def json_values(column: Column, values: Iterable[Any]) -> list[Any]:
    """Return what ``typed_values`` takes as plain JSON: gaps are null, dates are ISO 8601."""
    if column.is_time:
        return [None if np.isnat(value) else _iso(column, value) for value in np.asarray(values, dtype=TIME)]
    if column.nullable and column.type in ("number", "integer", "boolean"):
        kind: type = {"integer": int, "boolean": bool}.get(column.type, float)
        return [None if np.isnan(value) else kind(value) for value in np.asarray(values, dtype=np.float64)]
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def parse_date(text: str) -> date:
    """Return a date in ISO 8601. Programs that know no dates write its midnight, as pandas does, which is taken, too.

    Raises ValueError for anything else, such as a midnight that is none in UTC.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        found = datetime.fromisoformat(_with_offset(text))
        if found.time() != time.min or found.utcoffset():
            raise
        return found.date()


def parse_time(value: Any) -> np.datetime64:
    """Return a date or point in time in ISO 8601 (or as Python has it), in UTC where an offset is given.

    None is NaT. Raises ValueError for anything else, also for what is before the year 1 or after 9999 in UTC.
    """
    if value is None:
        return np.datetime64("NaT", "us")
    if isinstance(value, date | np.datetime64):
        found: Any = value
    elif isinstance(value, str):
        found = datetime.fromisoformat(_with_offset(value))
    else:
        raise ValueError(f"{value!r} is no date")  # noqa: TRY004  (a value of a request)
    if isinstance(found, datetime) and found.tzinfo is not None:
        try:
            found = found.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:
            raise ValueError(f"{value!r} is no date in UTC") from error
    return np.datetime64(found, "us")


def _with_offset(text: str) -> str:
    return f"{text[:-3].rstrip()}Z" if text.endswith(ZONES) else text


def _iso(column: Column, value: np.datetime64) -> str:
    return str(value.astype("datetime64[D]")) if column.type == "date" else str(value.astype(datetime).isoformat())
