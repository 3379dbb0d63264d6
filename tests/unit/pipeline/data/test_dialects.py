"""CSV as the programs of this world write it: the very rows are read, or the file is refused with a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow

from regraft_core.contract import Column, Contract
from regraft_pipeline.data.csv import open_sheet

CONTRACT = Contract(
    task="passwords",
    features=(Column(name="Password", type="string"),),
    target=Column(name="Times", type="number", minimum=0),
)
NAMES = ("Password", "Times")
QUICK = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

type Row = tuple[str, str]
type Writer = Callable[[Sequence[Row]], bytes]


def python(rows: Sequence[Row], **options: Any) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, **options).writerows([NAMES, *rows])
    return out.getvalue().encode()


def pandas(rows: Sequence[Row], **options: Any) -> bytes:
    text: str = pd.DataFrame(rows, columns=list(NAMES)).to_csv(None, index=False, **options)
    return text.encode()


def pyarrow(rows: Sequence[Row], quoting: str) -> bytes:
    out = io.BytesIO()
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    arrow.write_csv(pa.table(columns, list(NAMES)), out, arrow.WriteOptions(quoting_style=quoting))
    return out.getvalue()


def polars(rows: Sequence[Row], **options: Any) -> bytes:
    text: str = pl.DataFrame(rows, schema=list(NAMES), orient="row").write_csv(None, **options)
    return text.encode()


def postgresql(rows: Sequence[Row], delimiter: str = ",", null: str = "", *, force: bool = False) -> bytes:
    """``COPY ... TO ... (FORMAT csv, HEADER)``: quotes where needed, and around what would be no value."""

    def cell(value: str) -> str:
        needed = force or value == null or any(sign in value for sign in f'"\n\r{delimiter}')
        return '"{}"'.format(value.replace('"', '""')) if needed else value

    lines = [delimiter.join(NAMES), *(delimiter.join(map(cell, row)) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def mysql(rows: Sequence[Row], *, optionally: bool) -> bytes:
    """``INTO OUTFILE ... ENCLOSED BY '"' ESCAPED BY '"'``: a quote before each quote and each line's end.

    A number is no string, and may stand without quotes.
    """

    def line(row: Row) -> str:
        password, times = ('"{}"'.format(value.replace('"', '""').replace("\n", '"\n')) for value in row)
        return f"{password},{row[1] if optionally else times}\n"

    return "".join(map(line, [NAMES, *rows])).encode()


WRITERS: dict[str, Writer] = {
    "csv": python,
    "csv: all quoted": partial(python, quoting=csv.QUOTE_ALL),
    "csv: strings quoted": partial(python, quoting=csv.QUOTE_NONNUMERIC),
    "csv: unix": partial(python, dialect="unix"),
    "csv: Excel's tabs": partial(python, dialect="excel-tab"),
    "csv: semicolons": partial(python, delimiter=";"),
    "csv: returns alone": partial(python, lineterminator="\r", quoting=csv.QUOTE_ALL),
    "pandas": pandas,
    "pandas: all quoted": partial(pandas, quoting=csv.QUOTE_ALL),
    "pandas: Windows": partial(pandas, lineterminator="\r\n", sep=";"),
    "pyarrow": partial(pyarrow, quoting="needed"),
    "pyarrow: all quoted": partial(pyarrow, quoting="all_valid"),
    "polars": polars,
    "polars: all quoted": partial(polars, quote_style="always"),
    "polars: strings quoted": partial(polars, quote_style="non_numeric"),
    "polars: Windows": partial(polars, separator=";", line_terminator="\r\n", include_bom=True),
    "PostgreSQL": postgresql,
    "PostgreSQL: tabs": partial(postgresql, delimiter="\t"),
    "PostgreSQL: NULL": partial(postgresql, null="NULL"),
    "PostgreSQL: all quoted": partial(postgresql, force=True),
    "MySQL": partial(mysql, optionally=False),
    "MySQL: optionally": partial(mysql, optionally=True),
}
SIGNS = st.sampled_from([*"\",;\t\n\r |\\'#ab0\u00e4\u2028\ufeff\x0b\x85"])
WORDS = st.one_of(
    st.text(SIGNS, min_size=1, max_size=8),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
    st.sampled_from(["\\N", "\\.", "NULL", "sep=,", "Password,Times", "<html>", '"', '""', "\r\n", "a\n1,2\nb"]),
)
ROWS = st.lists(st.tuples(WORDS, st.integers(0, 99).map(str)), min_size=1, max_size=8)


@QUICK
@given(rows=ROWS)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_program_writes_is_read_as_it_was_or_refused_with_a_line(
    write: Callable[[bytes], Path], writer: str, rows: list[Row]
) -> None:
    sheet = open_sheet(write(WRITERS[writer](rows)), CONTRACT)
    found = [row for block in sheet.blocks() for row in block.itertuples(index=False, name=None)]
    if sheet.reasons:
        assert all(reason.rows or reason.code == "binary_file" for reason in sheet.reasons), sheet.reasons
    else:
        assert found == rows
