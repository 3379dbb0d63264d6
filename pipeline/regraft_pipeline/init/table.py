"""A CSV as text, whole in memory: every value as it is written."""

from __future__ import annotations

import csv as stdlib_csv
import io
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from regraft_core.codes import Code
from regraft_core.errors import BadRequestError
from regraft_core.verdict import Reason
from regraft_pipeline.data.content import not_text
from regraft_pipeline.data.header import DELIMITERS, HEADER_BYTES, header_start
from regraft_pipeline.data.lines import Lines, first_ragged
from regraft_pipeline.data.packed import unpacked
from regraft_pipeline.data.quotes import check_quotes

ROWS_LOOKED_AT = 20
"""Rows by which the delimiter and the place of the header are told."""

CELL_LENGTH = 100_000
"""Characters of a line that are looked at for that."""


@dataclass(frozen=True)
class Table:
    """The values of a CSV as text, by column, indexed by the line on which each row begins.

    ``packed``: the file is a CSV only when it is unpacked; ``repeated``: so often the header stands again below itself.
    """

    frame: pd.DataFrame
    delimiter: str
    packed: bool = False
    repeated: int = 0

    @property
    def plain(self) -> bool:
        """Whether the gates read the very file."""
        return self.delimiter == "," and not self.packed and not self.repeated


def read_table(path: Path) -> Table:
    """Read a CSV, packed or not, or Parquet. Raises BadRequestError (``not_a_table``) with what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            plain = unpacked(path, Path(folder))
        except OSError as error:
            raise _no_table(path, f"it cannot be read: {error.strerror}") from None
        if isinstance(plain, Reason):
            raise _no_table(path, plain.message)
        return replace(_read(plain, path), packed=plain != path)


def _read(plain: Path, path: Path) -> Table:
    """Read the CSV that a file holds."""
    with plain.open("rb") as file:
        content = file.read(HEADER_BYTES)
    start, line, said = header_start(content)
    if (wrong := not_text(plain)) is not None:
        raise _no_table(path, f"{wrong.message}; bring {wrong.remedy}")
    head = content[start:].decode(errors="ignore")  # the end may be cut within a character
    if not head.strip():
        raise _no_table(path, "it is empty")
    delimiter = said if said in DELIMITERS else _delimiter(head)
    header = _header(head, delimiter, path)
    if (wrong := check_quotes(plain, delimiter=delimiter, start=start)) is not None:
        raise _no_table(path, f"{wrong.message}; bring {wrong.remedy}")
    try:
        with pa.OSFile(str(plain)) as source:
            source.seek(start)
            table = csv.read_csv(
                source,
                read_options=csv.ReadOptions(use_threads=False),
                parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
                ),
            )
    except pa.ArrowInvalid as error:
        ragged = first_ragged(plain, delimiter=delimiter, start=start, line=line)
        if not ragged:
            raise _no_table(path, "a row is too long" if "straddling" in str(error) else str(error)) from None
        first = ragged[0]
        row = f"line {first.line} has {first.values} values: {first.text.strip()[:200]!r}"
        raise _no_table(path, f"the header has {first.expected} names, and {row}") from None
    lines = Lines(first=line + 1).numbered(table).columns[-1]
    frame: pd.DataFrame = table.to_pandas().astype(object).set_axis(lines.to_numpy())
    again, blank = _all_equal(frame, header), _all_equal(frame, [""] * len(header))
    if (again | blank).all():
        raise _no_table(path, "it has a header and no row")
    return Table(frame[~(again | blank)], delimiter, repeated=int(again.sum()))


def _header(head: str, delimiter: str, path: Path) -> list[str]:
    """Return the names of the columns."""
    lines = (text[:CELL_LENGTH] for text in io.StringIO(head, newline=""))
    rows = list(islice(stdlib_csv.reader(lines, delimiter=delimiter), ROWS_LOOKED_AT))
    header, widest = rows[0], max(rows, key=len)
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        times = header.count(doubled[0])
        raise _no_table(path, f"column {doubled[0]!r} is there {times} times; give each column a name of its own")
    if len(header) > 1:
        return header
    if len(widest) > 1:
        first = f"its first line, {header[0][:60]!r}, has one value, others have {len(widest)}"
        raise _no_table(path, f"{first}; the first line has to name the columns")
    raise _no_table(path, "it has one column; a task needs a target and something that tells of it")


def _all_equal(frame: pd.DataFrame, values: list[str]) -> NDArray[np.bool_]:
    """Return which rows have these values."""
    equal = np.ones(len(frame), dtype=bool)
    for name, value in zip(frame.columns, values, strict=True):
        equal[equal] = frame[name].to_numpy()[equal] == value
    return equal


def _delimiter(head: str) -> str:
    """Return the sign that parts the first lines into the same number of values, the most of them."""
    lines = [text[:CELL_LENGTH] for text in head.splitlines()[:ROWS_LOOKED_AT]]
    lines = lines[:-1] or lines

    def parts(delimiter: str) -> tuple[bool, bool, int]:
        counts = Counter(len(row) for row in stdlib_csv.reader(lines, delimiter=delimiter) if row)
        most = max(counts, key=lambda count: (counts[count], count), default=0)
        return most > 1, len(counts) == 1, most

    return max(DELIMITERS, key=parts)


def _no_table(path: Path, why: str) -> BadRequestError:
    return BadRequestError(f"{path.name} is no table that a task can be made of: {why}", code=Code.NOT_A_TABLE)
