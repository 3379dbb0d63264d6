"""Read a CSV of unknown quality, strictly and in bounded memory: bytes in, rows of text out.

The file is looked at in passes that get closer: is this text at all, and is it UTF-8? Do its quotes open and close as
the rule says? Then Arrow parses it, block by block, every value as text: ``null`` and ``nan`` are valid passwords.
Nothing is kept of a block that has been read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.verdict import Reason
from regraft_core.written import NUMBER
from regraft_pipeline.data.apostrophes import Apostrophes
from regraft_pipeline.data.content import not_text
from regraft_pipeline.data.header import Header, can_be_read, check_header, find_header, header_unreadable, options
from regraft_pipeline.data.lines import Lines, Ragged, first_ragged
from regraft_pipeline.data.quotes import check_quotes
from regraft_pipeline.data.reasons import reason, shorten

BLOCK_BYTES = 1 << 22
"""What is read at once, bytes; a row that reaches over more than two blocks is refused."""


class Sheet:
    """The rows of a CSV as text.

    ``reasons`` and ``rows`` are complete when ``blocks`` has been read to its end. Nothing is raised for bad content:
    where no row can be told from another, ``readable`` is False, which may turn out late.
    """

    def __init__(self, path: Path, contract: Contract, reasons: list[Reason], header: Header | None) -> None:
        self.reasons = reasons
        self.readable = header is not None
        self._path = path
        self._contract = contract
        self._header = header
        self._names = [column.name for column in contract.columns]
        self._lines = Lines(first=1 if header is None else header.line + 1)
        self._apostrophes = Apostrophes(column.name for column in contract.columns if column.is_open)
        self._good = 0

    @property
    def rows(self) -> int:
        """Rows in the file; blank lines are none."""
        return self._good + self._lines.ragged.count if self.readable else 0

    @property
    def text_rows(self) -> int:
        """Rows that have as many values as the header."""
        return self._good

    def blocks(self) -> Iterator[pd.DataFrame]:
        """Yield some rows at a time: one string column for each of the contract's, indexed by the line of each row."""
        if self._header is None:
            return
        try:
            with self._open(self._header) as reader:
                for batch in reader:
                    table = self._lines.numbered(pa.Table.from_batches([batch]))
                    text = self._text(table.filter(pa.array(~_blank(table, self._names))))
                    if (found := self._swallowed(text, self._header)) is not None:
                        self.readable = False
                        self.reasons.append(found)
                        return
                    if len(text):
                        self._apostrophes.look(text)
                        yield text
        except pa.ArrowInvalid:
            self.readable = False
            if self._lines.ragged.is_cut:
                self._lines.finish()
                self.reasons.append(self._mostly_ragged(self._header))
                return
            message = f"a row is longer than {BLOCK_BYTES >> 20} MiB"
            self.reasons.append(reason(Code.ROW_TOO_LONG, message, "shorter rows, every quote closed"))
            return
        self._lines.finish()
        found = self._apostrophes.reason()
        if found is not None:
            self.reasons.append(found)
        if found is not None and found.severity == "error":
            self.readable = False
        elif self._lines.ragged.count:
            self.reasons.append(_ragged(self._lines.ragged, self.rows, self._lines.last))
        elif not self._good:
            self.readable = False
            self.reasons.append(_no_rows())

    def _mostly_ragged(self, header: Header) -> Reason:
        """Return the reason of a file that was not read to its end, so that its rows are not all known."""
        ragged = self._lines.ragged
        ragged.examples = first_ragged(self._path, delimiter=header.delimiter, start=header.start, line=header.line)
        return _ragged(ragged, self._good + ragged.count, self._lines.last)

    def _open(self, header: Header) -> csv.CSVStreamingReader:
        convert = csv.ConvertOptions(
            column_types={name: pa.string() for name in self._names},
            include_columns=self._names,
            strings_can_be_null=False,
        )
        file = pa.OSFile(str(self._path))
        file.seek(header.start)
        return csv.open_csv(file, convert_options=convert, **options(header.delimiter, self._lines.skip, BLOCK_BYTES))

    def _text(self, table: pa.Table) -> pd.DataFrame:
        text: pd.DataFrame = table.select(self._names).to_pandas(
            types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get
        )
        text.index = pd.Index(table.column("").to_numpy(), name="line")
        self._good += len(text)
        return text

    def _swallowed(self, text: pd.DataFrame, header: Header) -> Reason | None:
        """Return the first value in which whole rows stand: two quotes that were none have closed around them."""
        numeric = [header.place(column.name) for column in self._contract.columns if column.is_number]
        if not numeric:
            return None
        for column in self._contract.columns:
            values = text[column.name]
            if not column.is_open or not (broken := values.str.contains("\n", regex=False)).any():
                continue
            for line, value in values[broken].items():
                inner = value.split("\n")[0 if header.place(column.name) == 0 else 1 : -1]
                if any(_is_row(one, header, numeric) for one in inner):
                    return _swallows(int(str(line)), column.name, value)
        return None


def open_sheet(path: Path, contract: Contract) -> Sheet:
    """Look at the bytes, the header and the quotes of a file; its rows are still to be read."""
    reasons, header = _looked_at(path, contract)
    return Sheet(path, contract, reasons, header)


def text_at(path: Path, contract: Contract, lines: Sequence[int]) -> pd.DataFrame:
    """Return the rows that begin on these lines of a readable file, in this order."""
    found = []
    for text in open_sheet(path, contract).blocks():
        found.append(text[text.index.isin(lines)])
        if text.index[-1] >= max(lines):
            break
    return pd.concat(found).loc[list(lines)]


def _looked_at(path: Path, contract: Contract) -> tuple[list[Reason], Header | None]:
    """Return what is wrong before the first row, and the header where there is any sense in reading on."""
    if (found := not_text(path)) is not None:
        return [found], None
    header = find_header(path, contract)
    if header is None:
        return [header_unreadable()], None
    reasons = check_header(header, contract)
    if not can_be_read(header, contract):
        return reasons, None
    if (found := check_quotes(path, delimiter=header.delimiter, start=header.start)) is not None:
        return [*reasons, found], None
    if header.one_line:
        return [*reasons, _no_rows()], None
    return reasons, header


# The rows


def _no_rows() -> Reason:
    return reason(Code.NO_ROWS, "there is a header and no row", "a row for each input below the header")


def _blank(table: pa.Table, names: list[str]) -> NDArray[np.bool_]:
    """Return which rows have no value at all: blank lines, and the rows of delimiters that spreadsheets write."""
    blank = np.ones(len(table), dtype=bool)
    for name in names:
        blank &= pc.equal(table.column(name), "").to_numpy()
        if not blank.any():
            break
    return blank


def _is_row(line: str, header: Header, numeric: list[int]) -> bool:
    cells = line.rstrip("\r").split(header.delimiter)
    return len(cells) == len(header.names) and all(re.fullmatch(NUMBER, cells[place].strip()) for place in numeric)


def _swallows(line: int, column: str, value: str) -> Reason:
    return reason(
        Code.QUOTE_SWALLOWS,
        f"the value of {column} on line {line} goes over {value.count(chr(10)) + 1} lines, and they look like rows: a "
        "quote that begins a value there was not meant to open it",
        'quotes around values that have a quote, and each quote inside doubled: "a ""b"" c"',
        column=column,
        rows=[{"line": line, column: shorten(value)}],
    )


def _ragged(ragged: Ragged, rows: int, last: int) -> Reason:
    first = ragged.examples[0]
    which = f"more than {ragged.count} rows" if ragged.is_cut else f"{ragged.count} of {rows} rows"
    message = (
        f"{which} have another number of values than the header, first line {first.line}: "
        f"{first.values} instead of {first.expected}"
    )
    remedy = "as many values in each row as in the header; quotes around values with commas or line breaks"
    if ragged.count == 1 and first.line >= last:
        remedy = "a file that ends with its last row: neither cut off, nor with a sum or a note below"
    if ragged.count == rows and all(row.values == row.expected + 1 for row in ragged.examples):
        remedy = (
            "a name for each column: R leaves out that of row names, and a delimiter at a line's end makes one more, "
            "as a decimal comma does"
        )
    return reason(
        Code.ROW_RAGGED,
        message,
        remedy,
        figures={"rows": ragged.count, "limit": 0}
        | ({} if ragged.is_cut else {"share": round(ragged.count / rows, 6)}),
        rows=[{"line": row.line, "text": shorten(row.text)} for row in ragged.examples],
    )
