"""The first gate: this must be a dataset of the task. A file in, a typed and cleaned dataset out.

The file is read block by block; what is found in the blocks is added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.verdict import Reason, refuses
from regraft_pipeline.data import csv as reading
from regraft_pipeline.data.content import has_more_lines
from regraft_pipeline.data.dataset import Dataset, Shuffle
from regraft_pipeline.data.packed import unpacked
from regraft_pipeline.data.reasons import reason
from regraft_pipeline.data.types import typed
from regraft_pipeline.gates import repeats
from regraft_pipeline.gates.values import Findings
from regraft_pipeline.tasks import Task

CLEAN_FILE = "clean.parquet"

MAX_LOST_SHARE = 0.2
"""Share of rows with bad values above which nothing is said of the others."""

type Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Structure:
    """What the gate leaves: the rows that may be trained on (None where nothing can be read) and the reasons.

    ``representative`` is False where so many rows are bad that later gates have nothing to say of the rest: then a
    reason refuses the dataset. Rows that the task lets go, such as those without a target, make it no less so.
    """

    data: Dataset | None
    rows: int
    reasons: list[Reason]
    representative: bool = True


def check(path: Path, task: Task, folder: Path) -> Structure:
    """Read a file and hold it against the contract of the task. The dataset is written into the folder."""
    plain = unpacked(path, folder)
    if isinstance(plain, Reason):
        return Structure(None, 0, [plain])
    if has_more_lines(plain, task.gates.max_lines):
        return Structure(None, 0, [_too_many(task.gates.max_lines)])
    sheet = reading.open_sheet(plain, task.contract)
    findings, rows = Findings(task.contract), repeats.Rows(task)
    shuffle = Shuffle.of(plain, folder, seed=task.gates.seed)
    schema = schema_of(task.contract)
    for text in sheet.blocks():
        frame = _valid(typed(text, task.contract, findings.add), text, schema, findings)
        rows.add(frame)
        shuffle.add(frame)
    if not sheet.readable:
        return Structure(None, sheet.rows, sheet.reasons)
    reasons = sheet.reasons + findings.reasons(sheet.text_rows, task.gates)
    found = rows.repeats()
    data = shuffle.write(folder / CLEAN_FILE, task.contract, keep=found.others)
    left = len(found.others)
    lost = sheet.text_rows - left > MAX_LOST_SHARE * sheet.text_rows
    if refuses(reasons) and lost and sheet.text_rows >= task.gates.min_rows:
        # What is left says nothing of the whole; what would be found in it follows from what is refused already.
        return Structure(data, sheet.rows, reasons, representative=False)
    reasons += repeats.check(rows, found, plain, task)
    if len(data) < task.gates.min_rows:
        if sheet.rows >= task.gates.min_rows and refuses(reasons):
            return Structure(data, sheet.rows, reasons, representative=False)  # that few are left follows from these
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
        return [pa.Check.isin(column.categories, error=Code.VALUE_NOT_IN_CATEGORIES)]
    if column.is_open:
        return [
            pa.Check(lambda s: s.str.len() >= column.min_length, error=Code.VALUE_TOO_SHORT),
            pa.Check(lambda s: s.str.len() <= column.max_length, error=Code.VALUE_TOO_LONG),
        ]
    checks = []
    if column.minimum is not None:
        code = Code.VALUE_NEGATIVE if column.minimum == 0 else Code.VALUE_TOO_SMALL
        checks.append(pa.Check.ge(column.minimum, error=code))
    if column.maximum is not None:
        checks.append(pa.Check.le(column.maximum, error=Code.VALUE_TOO_LARGE))
    return checks


def _valid(frame: pd.DataFrame, text: pd.DataFrame, schema: pa.DataFrameSchema, findings: Findings) -> pd.DataFrame:
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


# The whole


def _too_many(limit: int) -> Reason:
    return reason(
        Code.TOO_MANY_LINES,
        f"the file has more than {limit:,} lines, which is the most for this task (gates.max_lines)",
        "a sample of the rows, or a task that takes more",
        figures={"limit": limit},
    )


def _too_few(usable: int, rows: int, limit: int) -> Reason:
    return reason(
        Code.TOO_FEW_ROWS,
        f"{usable} of {rows} rows are left once bad and repeated rows are gone; at least {limit} are needed",
        f"{limit} rows or more",
        figures={"rows": rows, "usable_rows": usable, "limit": limit},
    )


def _constant(target: str, value: str, rows: int) -> Reason:
    return reason(
        Code.TARGET_CONSTANT,
        f"{target} is {value} in all {rows} rows: there is nothing to learn",
        "at least two different values",
        column=target,
        figures={"rows": rows, "values": 1, "limit": 2},
    )
