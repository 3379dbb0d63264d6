"""A CSV as text, whole in memory: every value as it is written."""

from __future__ import annotations

import csv as stdlib_csv
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from regraft_core.codes import Code
from regraft_core.errors import BadRequestError
from regraft_core.verdict import Reason
from regraft_pipeline.data.packed import unpacked

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True)
class Table:
    """The values of a CSV as text, by column. ``plain``: the file is comma-separated already, and not packed."""

    frame: pd.DataFrame
    delimiter: str
    packed: bool = False

    @property
    def plain(self) -> bool:
        """Whether the gates read the very file."""
        return self.delimiter == "," and not self.packed


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
    try:
        with plain.open(encoding="utf-8-sig") as file:
            head = file.read(SAMPLE_BYTES)
    except UnicodeDecodeError as error:
        raise _no_table(path, f"it is not UTF-8 ({error.reason}); save it as UTF-8") from None
    if not head.strip():
        raise _no_table(path, "it is empty")
    delimiter = _delimiter(head)
    header = next(stdlib_csv.reader(head.splitlines(), delimiter=delimiter))
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        raise _no_table(path, f"column {doubled[0]!r} is there {header.count(doubled[0])} times")
    if len(header) < 2:
        raise _no_table(path, "it has one column; a task needs a target and something that tells of it")
    try:
        table = csv.read_csv(
            plain,
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _no_table(path, str(error)) from None
    if not len(table):
        raise _no_table(path, "it has a header and no row")
    frame: pd.DataFrame = table.to_pandas()
    return Table(frame.astype(object), delimiter)


def _delimiter(head: str) -> str:
    """Return the sign that parts the first lines into the same number of values, the most of them."""
    lines = head.splitlines()[:20]
    lines = lines[:-1] or lines

    def parts(delimiter: str) -> tuple[bool, int]:
        counts = [len(row) for row in stdlib_csv.reader(lines, delimiter=delimiter) if row]
        return len(set(counts)) == 1, counts[0] if counts else 0

    return max(DELIMITERS, key=lambda delimiter: (parts(delimiter)[1] > 1, *parts(delimiter)))


def _no_table(path: Path, why: str) -> BadRequestError:
    return BadRequestError(f"{path.name} is no table that a task can be made of: {why}", code=Code.NOT_A_TABLE)
