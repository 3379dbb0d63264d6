"""The first gate: this must be a dataset of the task. A file in, a typed and cleaned training frame out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from regraft.core.contract import Column, Contract
from regraft.core.verdict import Reason
from regraft.pipeline.gates import reading
from regraft.pipeline.gates.reading import examples, reason
from regraft.pipeline.tasks import GateSettings, Task

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_NOT_A_NUMBER = ("nan", "na", "n/a", "null", "none", "-nan", "<na>", "#n/a")
_INFINITE = r"[+-]?inf(inity)?"

type Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Structure:
    """What the gate leaves: the frame with line numbers as index (None where nothing can be read) and the reasons."""

    frame: pd.DataFrame | None
    rows: int
    reasons: list[Reason]


def check(path: Path, task: Task) -> Structure:
    """Read a file and hold it against the contract of the task."""
    sheet = reading.read(path, task.contract)
    reasons = list(sheet.reasons)
    if sheet.text is None:
        return Structure(None, sheet.rows, reasons)
    frame, found = _typed(sheet.text, task)
    reasons += found
    frame, found = _valid(frame, sheet.text, task.contract)
    reasons += found
    frame, found = _distinct(frame, sheet.text, task)
    reasons += found
    if len(frame) < task.gates.min_rows:
        reasons.append(_too_few(len(frame), sheet.rows, task.gates.min_rows))
    target = frame[task.contract.target.name]
    if len(frame) and target.nunique() < 2:
        reasons.append(_constant(task.contract.target.name, target.iloc[0], len(frame)))
    return Structure(frame, sheet.rows, reasons)


# From text to types


def _typed(text: pd.DataFrame, task: Task) -> tuple[pd.DataFrame, list[Reason]]:
    """Return the rows whose values all have their column's type, and what was wrong with the others."""
    reasons: list[Reason] = []
    bad = np.zeros(len(text), dtype=bool)
    columns: dict[str, pd.Series] = {}
    for column in task.contract.columns:
        values = text[column.name]
        missing = (values == "").to_numpy(dtype=bool)
        if missing.any():
            limit = task.gates.max_null_share
            reasons.append(_missing(column, text, missing, code="value_missing", what="is empty", limit=limit))
        bad |= missing
        if column.type == "string":
            columns[column.name] = values
            continue
        columns[column.name], wrong, found = _numbers(column, text, missing, task.gates)
        bad |= wrong
        reasons += found
    frame = pd.DataFrame(columns, index=text.index)[~bad]
    whole = {column.name: "int64" for column in task.contract.columns if column.type == "integer"}
    return frame.astype(whole), reasons


def _numbers(
    column: Column, text: pd.DataFrame, missing: Mask, settings: GateSettings
) -> tuple[pd.Series, Mask, list[Reason]]:
    values = text[column.name].str.strip()
    written = values.str.fullmatch(_NUMBER).to_numpy(dtype=bool)
    numbers = pd.Series(np.nan, index=text.index, dtype="float64")
    numbers[written] = values[written].astype("float64").to_numpy()
    others = values[~written & ~missing].str.lower()

    def among(matches: pd.Series) -> Mask:
        mask = np.zeros(len(text), dtype=bool)
        mask[np.flatnonzero(~written & ~missing)] = matches.to_numpy(dtype=bool)
        return mask

    nan = among(others.isin(_NOT_A_NUMBER))
    infinite = among(others.str.fullmatch(_INFINITE)) | np.isinf(numbers.to_numpy())
    words = ~written & ~missing & ~nan & ~infinite
    fractions = np.zeros(len(text), dtype=bool)
    if column.type == "integer":
        with np.errstate(invalid="ignore"):
            fractions = written & ~infinite & ((numbers % 1 != 0) | (numbers.abs() > 2**53)).to_numpy()
    reasons = []
    if nan.any():
        limit = settings.max_null_share
        reasons.append(_missing(column, text, nan, code="value_nan", what="is not a number (NaN)", limit=limit))
    for mask, code, what, remedy in (
        (infinite, "value_infinite", "is infinite", "finite numbers"),
        (words, "value_not_numeric", "is not a number", "numbers with a decimal point"),
        (fractions, "value_not_integer", "is not a whole number", "whole numbers"),
    ):
        if mask.any():
            reasons.append(_refused(column, text, mask, code=code, what=what, remedy=remedy))
    return numbers, nan | infinite | words | fractions, reasons


def _refused(column: Column, text: pd.DataFrame, mask: Mask, *, code: str, what: str, remedy: str) -> Reason:
    count = int(mask.sum())
    rows = examples(text[mask])
    first = f"first line {rows[0]['line']}: {rows[0][column.name]!r}"
    return reason(
        code,
        f"{column.name} {what} in {count} of {len(text)} rows, {first}",
        remedy,
        column=column.name,
        figures={"rows": count, "share": round(count / len(text), 6), "limit": 0},
        rows=rows,
    )


def _missing(column: Column, text: pd.DataFrame, mask: Mask, *, code: str, what: str, limit: float) -> Reason:
    count, share = int(mask.sum()), float(mask.mean())
    return reason(
        code,
        f"{column.name} {what} in {count} of {len(text)} rows ({share:.2%}; at most {limit:.0%} are dropped)",
        f"a value in at least {1 - limit:.0%} of the rows",
        severity="error" if share > limit else "warning",
        column=column.name,
        figures={"rows": count, "share": round(share, 6), "limit": limit},
        rows=examples(text[mask]),
    )


# From types to the contract


def schema_of(contract: Contract) -> pa.DataFrameSchema:
    """Return the contract as a pandera schema of the typed frame. The name of each check is the code of its reason."""
    return pa.DataFrameSchema({column.name: pa.Column(checks=_checks(column)) for column in contract.columns})


def _checks(column: Column) -> list[pa.Check]:
    if column.categories is not None:
        return [pa.Check.isin(column.categories, error="value_not_in_categories")]
    if column.type == "string":
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


_WHAT = {
    "value_not_in_categories": "is none of the allowed values",
    "value_too_short": "is too short",
    "value_too_long": "is too long",
    "value_negative": "is negative",
    "value_too_small": "is too small",
    "value_too_large": "is too large",
}


def _remedy(code: str, column: Column) -> str:
    unit = f" {column.unit}" if column.unit else ""
    return {
        "value_not_in_categories": f"one of {', '.join(map(str, column.categories or ()))}",
        "value_too_short": f"at least {column.min_length} characters",
        "value_too_long": f"at most {column.max_length} characters",
        "value_negative": "numbers of 0 or more",
        "value_too_small": f"at least {column.minimum}{unit}",
        "value_too_large": f"at most {column.maximum}{unit}",
    }[code]


def _valid(frame: pd.DataFrame, text: pd.DataFrame, contract: Contract) -> tuple[pd.DataFrame, list[Reason]]:
    """Return the rows that keep the contract, and what was wrong with the others."""
    try:
        schema_of(contract).validate(frame, lazy=True)
    except SchemaErrors as errors:
        failures = errors.failure_cases
    else:
        return frame, []
    by_name = {column.name: column for column in contract.columns}
    reasons = []
    for (name, code), lines in failures.groupby(["column", "check"], sort=False)["index"]:
        column, mask = by_name[name], text.index.isin(lines)
        reasons.append(_refused(column, text, mask, code=code, what=_WHAT[code], remedy=_remedy(code, column)))
    return frame[~frame.index.isin(failures["index"])], reasons


# Every input once


def _distinct(frame: pd.DataFrame, text: pd.DataFrame, task: Task) -> tuple[pd.DataFrame, list[Reason]]:
    """Return each input once, and without the inputs that have several targets."""
    if not task.gates.one_target_per_input or frame.empty:
        return frame, []
    features, target = task.contract.feature_names, task.contract.target.name
    repeated = frame[frame.duplicated(features, keep=False)]
    targets = repeated.groupby(features, sort=False)[target].transform("nunique")
    contradictory = frame.index.isin(repeated.index[targets > 1])
    duplicate = frame.duplicated(features).to_numpy()
    reasons = []
    if duplicate.mean() > task.gates.max_duplicate_share:
        shown = text.loc[frame.index[duplicate]]
        reasons.append(_duplicates(shown, len(frame), features, task.gates.max_duplicate_share))
    if contradictory.any():
        shown = text.loc[frame.index[contradictory]].sort_values(features, kind="stable")
        reasons.append(_contradictory(shown, len(frame), target, task.gates.max_conflict_share))
    return frame[~duplicate & ~contradictory], reasons


def _duplicates(rows: pd.DataFrame, total: int, features: list[str], limit: float) -> Reason:
    share = len(rows) / total
    inputs = features[0] if len(features) == 1 else "features"
    return reason(
        "duplicates",
        f"{len(rows)} of {total} rows ({share:.1%}) repeat the {inputs} of an earlier row; at most {limit:.0%} may",
        "each input once",
        figures={"rows": len(rows), "share": round(share, 6), "limit": limit},
        rows=examples(rows),
    )


def _contradictory(rows: pd.DataFrame, total: int, target: str, limit: float) -> Reason:
    share = len(rows) / total
    return reason(
        "targets_contradict",
        f"{len(rows)} of {total} rows ({share:.1%}) have an input that stands in other rows with another {target}; "
        f"at most {limit:.0%} are dropped",
        f"one {target} for each input",
        severity="error" if share > limit else "warning",
        column=target,
        figures={"rows": len(rows), "share": round(share, 6), "limit": limit},
        rows=examples(rows),
    )


def _too_few(usable: int, rows: int, limit: int) -> Reason:
    return reason(
        "too_few_rows",
        f"{usable} of {rows} rows are left once bad and repeated rows are gone; at least {limit} are needed",
        f"{limit} rows or more",
        figures={"rows": rows, "usable_rows": usable, "limit": limit},
    )


def _constant(target: str, value: float, rows: int) -> Reason:
    return reason(
        "target_constant",
        f"{target} is {value:g} in all {rows} rows: there is nothing to learn",
        "at least two different values",
        column=target,
        figures={"rows": rows, "values": 1, "limit": 2},
    )
