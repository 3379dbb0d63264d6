"""The first gate: this must be a dataset of the task. A file in, a typed and cleaned dataset out.

The file is read block by block; what is found in the blocks is added up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from regraft_core.contract import Column, Contract
from regraft_core.verdict import Reason
from regraft_pipeline.data import csv as reading
from regraft_pipeline.data.csv import EXAMPLES, examples, reason
from regraft_pipeline.data.dataset import Dataset, Shuffle
from regraft_pipeline.data.types import typed
from regraft_pipeline.gates import repeats
from regraft_pipeline.tasks import GateSettings, Task

CLEAN_FILE = "clean.parquet"

type Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Structure:
    """What the gate leaves: the rows that may be trained on (None where nothing can be read) and the reasons."""

    data: Dataset | None
    rows: int
    reasons: list[Reason]


def check(path: Path, task: Task, folder: Path) -> Structure:
    """Read a file and hold it against the contract of the task. The dataset is written into the folder."""
    sheet = reading.open_sheet(path, task.contract)
    findings, rows = _Findings(task.contract), repeats.Rows(task)
    shuffle = Shuffle.of(path, folder, seed=task.gates.seed)
    schema = schema_of(task.contract)
    for text in sheet.blocks():
        frame = _valid(typed(text, task.contract, findings.add), text, schema, findings)
        rows.add(frame)
        shuffle.add(frame)
    if not sheet.readable:
        return Structure(None, sheet.rows, sheet.reasons)
    found = rows.repeats()
    reasons = sheet.reasons + findings.reasons(sheet.text_rows, task.gates) + repeats.check(rows, found, path, task)
    data = shuffle.write(folder / CLEAN_FILE, task.contract, keep=found.others)
    if len(data) < task.gates.min_rows:
        reasons.append(_too_few(len(data), sheet.rows, task.gates.min_rows))
    targets = rows.targets()[found.others]
    if len(data) and (targets == targets[0]).all():
        classes = task.contract.classes
        value = f"{targets[0]:g}" if not task.contract.has_labels or classes is None else classes[int(targets[0])]
        reasons.append(_constant(task.contract.target.name, str(value), len(data)))
    return Structure(data, sheet.rows, reasons)


# From types to the contract


def schema_of(contract: Contract) -> pa.DataFrameSchema:
    """Return the contract as a pandera schema of the typed frame. The name of each check is the code of its reason."""
    columns = {
        column.name: pa.Column(checks=_checks(column), nullable=bool(column.nullable)) for column in contract.columns
    }
    return pa.DataFrameSchema(columns)


def _checks(column: Column) -> list[pa.Check]:
    if column.categories is not None:
        return [pa.Check.isin(column.categories, error="value_not_in_categories")]
    if column.is_open:
        return [
            pa.Check(lambda s: s.str.len() >= column.min_length, error="value_too_short"),
            pa.Check(lambda s: s.str.len() <= column.max_length, error="value_too_long"),
        ]
    checks = []
    if column.minimum is not None:
        code = "value_negative" if column.minimum == 0 else "value_too_small"
        checks.append(pa.Check.ge(column.minimum, error=code))
    if column.maximum is not None:
        checks.append(pa.Check.le(column.maximum, error="value_too_large"))
    return checks


def _valid(frame: pd.DataFrame, text: pd.DataFrame, schema: pa.DataFrameSchema, findings: _Findings) -> pd.DataFrame:
    """Return the rows that keep the contract."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        failures = errors.failure_cases
    else:
        return frame
    for (name, code), lines in failures.groupby(["column", "check"], sort=False)["index"]:
        findings.add(code, findings.columns[name], text, text.index.isin(lines))
    return frame[~frame.index.isin(failures["index"])]


# What is wrong with values

_MISSING = {"value_missing": "is empty", "value_nan": "is not a number (NaN)"}
_WRONG_TYPE = {
    "value_infinite": "is infinite",
    "value_not_numeric": "is not a number",
    "value_not_integer": "is not a whole number",
    "value_not_boolean": "is not true or false",
    "value_not_date": "is not a date",
}
_AGAINST_CONTRACT = {
    "value_not_in_categories": "is none of the allowed values",
    "value_too_short": "is too short",
    "value_too_long": "is too long",
    "value_negative": "is negative",
    "value_too_small": "is too small",
    "value_too_large": "is too large",
}


@dataclass
class _Finding:
    """In how many rows something is wrong, and the first of them."""

    count: int = 0
    rows: list[dict[str, object]] = field(default_factory=list)


class _Findings:
    """What is wrong with the values of all blocks, by code and column."""

    def __init__(self, contract: Contract) -> None:
        self.columns = {column.name: column for column in contract.columns}
        self._found: dict[tuple[str, str], _Finding] = {}

    def add(self, code: str, column: Column, text: pd.DataFrame, mask: Mask) -> None:
        """Take note of the rows of a block in which something is wrong."""
        if not mask.any():
            return
        found = self._found.setdefault((code, column.name), _Finding())
        found.count += int(mask.sum())
        if len(found.rows) < EXAMPLES:
            found.rows += examples(text[mask])[: EXAMPLES - len(found.rows)]

    def reasons(self, total: int, settings: GateSettings) -> list[Reason]:
        """Return the reasons: first wrong types, then what is against the contract, each in the columns' order."""
        reasons = []
        for codes in (_MISSING | _WRONG_TYPE, _AGAINST_CONTRACT):
            for name, column in self.columns.items():
                for code, what in codes.items():
                    found = self._found.get((code, name))
                    if found is not None and code in _MISSING:
                        limit = float(column.nullable) or settings.max_null_share
                        if not column.nullable or found.count > limit * total:
                            reasons.append(_missing(column, found, total, code=code, limit=limit))
                    elif found is not None:
                        reasons.append(_refused(column, found, total, code=code, what=what))
        return reasons


def _refused(column: Column, found: _Finding, total: int, *, code: str, what: str) -> Reason:
    first = f"first line {found.rows[0]['line']}: {found.rows[0][column.name]!r}"
    return reason(
        code,
        f"{column.name} {what} in {found.count} of {total} rows, {first}",
        _remedy(code, column),
        column=column.name,
        figures={"rows": found.count, "share": round(found.count / total, 6), "limit": 0},
        rows=found.rows,
    )


def _missing(column: Column, found: _Finding, total: int, *, code: str, limit: float) -> Reason:
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


def _remedy(code: str, column: Column) -> str:
    unit = f" {column.unit}" if column.unit else ""
    return {
        "value_infinite": "finite numbers",
        "value_not_numeric": "numbers with a decimal point",
        "value_not_integer": "whole numbers",
        "value_not_boolean": "true or false, yes or no, 1 or 0",
        "value_not_date": f"dates as {column.format or '2026-01-31'}",
        "value_not_in_categories": f"one of {', '.join(map(str, column.categories or ()))}",
        "value_too_short": f"at least {column.min_length} characters",
        "value_too_long": f"at most {column.max_length} characters",
        "value_negative": "numbers of 0 or more",
        "value_too_small": f"at least {column.minimum}{unit}",
        "value_too_large": f"at most {column.maximum}{unit}",
    }[code]


# The whole


def _too_few(usable: int, rows: int, limit: int) -> Reason:
    return reason(
        "too_few_rows",
        f"{usable} of {rows} rows are left once bad and repeated rows are gone; at least {limit} are needed",
        f"{limit} rows or more",
        figures={"rows": rows, "usable_rows": usable, "limit": limit},
    )


def _constant(target: str, value: str, rows: int) -> Reason:
    return reason(
        "target_constant",
        f"{target} is {value} in all {rows} rows: there is nothing to learn",
        "at least two different values",
        column=target,
        figures={"rows": rows, "values": 1, "limit": 2},
    )
