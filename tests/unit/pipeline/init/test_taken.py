"""What `init` takes a column for, the first gate reads: every row of it, and nothing in it as something else."""

from __future__ import annotations

import csv
import random
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from regraft_core.definition import read_definition
from regraft_pipeline.gates import structure
from regraft_pipeline.init.draft import draft
from regraft_pipeline.init.table import read_table
from regraft_pipeline.init.written import as_yaml
from regraft_pipeline.tasks.files import task_of

RANDOM = random.Random(1)
ROWS = 120
NUMBERS = [RANDOM.uniform(0, 100_000) for _ in range(ROWS)]
DAYS = [date(2020, 1, 1) + timedelta(days=RANDOM.randrange(2000)) for _ in range(ROWS)]


def grouped(thousands: str, decimal: str, *, places: int = 2) -> list[str]:
    plain = [f"{number:,.{places}f}" for number in NUMBERS]
    return [text.replace(",", "\0").replace(".", decimal).replace("\0", thousands) for text in plain]


def words(*choices: str) -> list[str]:
    return [RANDOM.choice(choices) for _ in range(ROWS)]


def at(form: str) -> list[str]:
    return [datetime(day.year, day.month, day.day, 14, 5, 6).strftime(form) for day in DAYS]  # noqa: DTZ001


COLUMNS = {
    "comma": (grouped(",", "."), "number"),
    "point": (grouped(".", ","), "number"),
    "apostrophe": (grouped("'", "."), "number"),
    "blank": (grouped(" ", ","), "number"),
    "no-break blank": (grouped("\u00a0", ","), "number"),
    "narrow blank": (grouped("\u202f", ","), "number"),
    "thin blank": (grouped("\u2009", ".", places=0), "integer"),
    "dollars": ([f"${text}" for text in grouped(",", ".")], "number"),
    "euros": ([f"{text} €" for text in grouped("\u00a0", ",")], "number"),
    "percent": ([f"{number / 1000:.1f} %" for number in NUMBERS], "number"),
    "exponents": ([f"{number:.3e}" for number in NUMBERS], "number"),
    "12 hours": (at("%m/%d/%Y %I:%M %p"), "datetime"),
    "12 hours, seconds": (at("%d.%m.%Y %I:%M:%S %p"), "datetime"),
    "small letters": ([text.lower() for text in at("%m/%d/%Y %I:%M %p")], "datetime"),
    "24 hours": (at("%d.%m.%Y %H:%M"), "datetime"),
    "PostgreSQL's zone": (at("%Y-%m-%d %H:%M:%S+02"), "datetime"),
    "BigQuery's zone": (at("%Y-%m-%d %H:%M:%S UTC"), "datetime"),
    "Snowflake's zone": (at("%Y-%m-%d %H:%M:%S.000 -0800"), "datetime"),
    "short dates": ([f"{day.year}-{day.month}-{day.day}" for day in DAYS], "date"),
    "midnights": (at("%Y-%m-%dT00:00:00Z"), "date"),
    "zero dates": ([text if row % 9 else "0000-00-00" for row, text in enumerate(at("%Y-%m-%d"))], "date"),
    "blanks around": (words(" Private", " Gov", "Gov ", " ?"), "string"),
    "labels with signs": (words("<=50K", ">50K"), "string"),
    "yes and no": (words("Yes", "no", ""), "boolean"),
    "digits of another script": ([chr(0x0660 + row % 10) for row in range(ROWS)], "string"),
    "gaps as dashes": (words("1", "2.5", "\u2013", "n.a."), "number"),
    "quotes and delimiters": (words('a"b', "c,d", "e;f"), "string"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_first_gate_takes_what_init_took(tmp_path: Path, name: str) -> None:
    values, kind = COLUMNS[name]
    path = tmp_path / "data.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = zip(values, (f"{row}.5" for row in range(ROWS)), (f"{row * row}.25" for row in range(ROWS)), strict=True)
        csv.writer(file).writerows([("value", "other", "target"), *rows])
    found = draft(read_table(path).frame, "target")
    assert {column.name: column.type for column in found.columns}["value"] == kind
    task = task_of(read_definition(as_yaml(found, "taken", {"min_rows": 20})), None)
    result = structure.check(path, task, tmp_path)
    assert [reason.message for reason in result.reasons] == []
    assert result.rows == ROWS
    assert result.data is not None
    assert len(result.data) == ROWS


def test_what_a_number_is_is_the_same_in_every_writing(tmp_path: Path) -> None:
    read: list[list[float]] = []
    plain = [f"{number:.2f}" for number in NUMBERS]
    writings = [plain, *(grouped(*signs) for signs in ((",", "."), (".", ","), ("\u00a0", ","), ("\u202f", ",")))]
    for written in writings:
        path = tmp_path / "data.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = zip(written, (str(row) for row in range(ROWS)), strict=True)
            csv.writer(file).writerows([("value", "target"), *((value, f"{row}.5") for value, row in rows)])
        found = draft(read_table(path).frame, "target")
        task = task_of(read_definition(as_yaml(found, "taken", {"min_rows": 20})), None)
        data = structure.check(path, task, tmp_path).data
        assert data is not None
        read.append(sorted(data.frame()["value"]))
    assert read == [sorted(round(number, 2) for number in NUMBERS)] * len(writings)
