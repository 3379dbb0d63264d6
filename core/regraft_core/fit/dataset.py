"""Rows whose outcome is known, as a dataset of their task: a CSV that the first gate reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from regraft_core.contract import NUMBER_FORMAT, Column, Contract


def as_csv(contract: Contract, rows: Iterable[tuple[Mapping[str, object], object]]) -> Iterator[str]:
    """Yield the lines of a CSV: its header, then inputs and truth of each row.

    Rows of an earlier contract, which lack a column, are left out.
    """
    names = contract.feature_names
    yield _line([*names, contract.target.name])
    for inputs, truth in rows:
        if inputs.keys() >= set(names):
            values = [written(column, inputs[column.name]) for column in contract.features]
            yield _line([*values, written(contract.target, truth)])


def written(column: Column, value: object) -> str:
    """Return a value as a CSV of the task has it: dates in ISO 8601, numbers with the decimal sign of the format."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and (column.type == "integer" or value.is_integer()) and abs(value) <= 2**53:
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value).replace(".", _decimal(column))
    return str(value)


def _decimal(column: Column) -> str:
    found = None if column.format is None else NUMBER_FORMAT.fullmatch(column.format)
    if found is None:
        return "."
    return found["decimal"] or ("," if found["thousands"] == "." else ".")


def _line(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
