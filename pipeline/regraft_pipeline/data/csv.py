"""Read a CSV of unknown quality, strictly and in bounded memory: bytes in, rows of text out.

The file is looked at twice. The first pass sees only bytes: is this text at all, and is it UTF-8? The second parses
it with Arrow, block by block, every value as text: ``null`` and ``nan`` are valid passwords. Nothing is kept of a
block that has been read.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from regraft_core.contract import Contract
from regraft_core.verdict import Reason
from regraft_pipeline.data.lines import Lines, Ragged

BLOCK_BYTES = 1 << 22
"""What is read at once, bytes; a row that reaches over more than two blocks is refused."""

HEADER_BYTES = 1 << 20
"""Longest header that is looked at, bytes."""

EXAMPLES = 5
"""How many rows a reason shows."""

MAX_EXAMPLE_LENGTH = 200
"""Characters after which an example value is cut."""

_SIGNATURES = {
    b"PK\x03\x04": "a ZIP or Excel file",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"BZh": "a bzip2 file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"SQLite format 3": "an SQLite database",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype|html|head|body|\?xml)", re.IGNORECASE | re.DOTALL)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_MAX_CONTROL_SHARE = 0.05


class Sheet:
    """The rows of a CSV as text.

    ``reasons`` and ``rows`` are complete when ``blocks`` has been read to its end. Nothing is raised for bad content:
    where no row can be told from another, ``readable`` is False, which may turn out late.
    """

    def __init__(self, path: Path, contract: Contract, reasons: list[Reason], *, readable: bool = True) -> None:
        self.reasons = reasons
        self.readable = readable
        self._path = path
        self._names = [column.name for column in contract.columns]
        self._lines = Lines()
        self._good = 0

    @property
    def rows(self) -> int:
        """Rows in the file, without blank ones at its end."""
        return self._good + self._lines.ragged.count if self.readable else 0

    @property
    def text_rows(self) -> int:
        """Rows that have as many values as the header."""
        return self._good

    def blocks(self) -> Iterator[pd.DataFrame]:
        """Yield some rows at a time: one string column for each of the contract's, indexed by the line of each row."""
        if not self.readable:
            return
        blank: list[pa.Table] = []
        try:
            with self._open() as reader:
                for batch in reader:
                    table = self._lines.numbered(pa.Table.from_batches([batch]))
                    end = _without_blank_end(table, self._names)
                    if end:
                        yield from map(self._text, [*blank, table.slice(0, end)])
                        blank = []
                    if end < len(table):
                        blank.append(table.slice(end))
        except pa.ArrowInvalid:
            self.readable = False
            message = f"a row is longer than {BLOCK_BYTES >> 20} MiB, or a quote is opened and never closed"
            self.reasons.append(reason("row_too_long", message, "shorter rows, every quote closed"))
            return
        self._lines.finish()
        if self._lines.ragged.count:
            self.reasons.append(_ragged(self._lines.ragged, self.rows))
        elif not self._good:
            self.readable = False
            self.reasons.append(_no_rows())

    def _open(self) -> csv.CSVStreamingReader:
        convert = csv.ConvertOptions(
            column_types={name: pa.string() for name in self._names},
            include_columns=self._names,
            strings_can_be_null=False,
        )
        return csv.open_csv(self._path, convert_options=convert, **_options(self._lines.skip, BLOCK_BYTES))

    def _text(self, table: pa.Table) -> pd.DataFrame:
        text: pd.DataFrame = table.select(self._names).to_pandas(
            types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get
        )
        text.index = pd.Index(table.column("").to_numpy(), name="line")
        self._good += len(text)
        return text


def open_sheet(path: Path, contract: Contract) -> Sheet:
    """Look at the bytes and the header of a file; its rows are still to be read."""
    reasons, readable = _looked_at(path, contract)
    return Sheet(path, contract, reasons, readable=readable)


def text_at(path: Path, contract: Contract, lines: Sequence[int]) -> pd.DataFrame:
    """Return the rows that begin on these lines of a readable file, in this order."""
    found = []
    for text in open_sheet(path, contract).blocks():
        found.append(text[text.index.isin(lines)])
        if text.index[-1] >= max(lines):
            break
    return pd.concat(found).loc[list(lines)]


def _looked_at(path: Path, contract: Contract) -> tuple[list[Reason], bool]:
    """Return what is wrong before the first row, and whether there is any sense in reading on."""
    if reason := _not_text(path):
        return [reason], False
    header = _header(path)
    if header is None:
        return [_header_unreadable()], False
    reasons = _check_header(header, contract)
    if _missing_or_doubled(header, contract):
        return reasons, False
    if _one_line(path):
        return [*reasons, _no_rows()], False
    return reasons, True


def reason(code: str, message: str, remedy: str, **details: object) -> Reason:
    """Return a reason of the structure gate."""
    return Reason.model_validate({"code": code, "gate": "structure", "message": message, "remedy": remedy, **details})


def examples(text: pd.DataFrame) -> list[dict[str, object]]:
    """Return the first rows as a reason shows them: the values as text, and the line where the index has it."""
    chosen = text.head(EXAMPLES)
    known = chosen.index.name == "line"
    return [
        ({"line": int(line)} if known else {}) | {str(name): shorten(str(value)) for name, value in row.items()}
        for line, row in zip(chosen.index, chosen.to_dict("records"), strict=True)
    ]


def shorten(value: str) -> str:
    """Return a value cut to a length that can be shown."""
    return value if len(value) <= MAX_EXAMPLE_LENGTH else value[:MAX_EXAMPLE_LENGTH] + "…"


# The bytes


def _not_text(path: Path) -> Reason | None:
    with path.open("rb") as file:
        head = file.read(1 << 16)
        if not head.removeprefix(codecs.BOM_UTF8).strip() and not file.read(1):
            return reason("empty_file", "the file is empty", "a CSV with a header and rows")
        if found := _other_format(head):
            return found
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        line = 1
        while block := file.read(BLOCK_BYTES):
            if (position := block.find(b"\0")) >= 0:
                line += block.count(b"\n", 0, position)
                return reason(
                    "nul_bytes", f"line {line} has a NUL byte", "text without NUL bytes", rows=[{"line": line}]
                )
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return _not_utf8(line + block.count(b"\n", 0, max(error.start, 0)), error)
            line += block.count(b"\n")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return _not_utf8(line, error)
    return None


def _other_format(head: bytes) -> Reason | None:
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return reason("binary_file", f"the file is {name}, not a CSV", "plain CSV text, not packed")
    if head.startswith(_UTF16):
        return reason("not_utf8", "the file is UTF-16, not UTF-8", "the same CSV saved as UTF-8")
    control = sum(head.count(byte) for byte in _CONTROL) / len(head)
    if control > _MAX_CONTROL_SHARE:
        return reason(
            "binary_file",
            f"the file is not text: {control:.0%} of its first bytes are control characters",
            "plain CSV text",
            figures={"control_share": round(control, 4), "limit": _MAX_CONTROL_SHARE},
        )
    start = head.removeprefix(codecs.BOM_UTF8)
    if _HTML.match(start):
        return reason(
            "looks_like_html", "the file is an HTML page, not a CSV", "the address of the file itself, not of a page"
        )
    if _looks_like_json(start):
        return reason("looks_like_json", "the file is JSON, not a CSV", "the same rows as CSV with a header")
    return None


def _looks_like_json(start: bytes) -> bool:
    text = start.lstrip()
    if not text.startswith((b"{", b"[")):
        return False
    try:
        json.loads(text.partition(b"\n")[0])
    except ValueError:
        return re.match(rb'[{\[]\s*(["{\[\]}]|$)', text) is not None
    return True


def _not_utf8(line: int, error: UnicodeDecodeError) -> Reason:
    return reason(
        "not_utf8",
        f"line {line} is not UTF-8 ({error.reason})",
        "the same CSV saved as UTF-8, with or without a byte order mark",
        rows=[{"line": line}],
    )


# The header


def _header_unreadable() -> Reason:
    return reason(
        "header_unreadable",
        "the first line cannot be read as a CSV header",
        "a first line with the names of the columns, every quote closed",
    )


def _header(path: Path) -> list[str] | None:
    try:
        reader = csv.open_csv(pa.BufferReader(_start(path) + b"\n"), **_options(Lines().skip, 2 * HEADER_BYTES))
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    with reader:
        return list(reader.schema.names)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_BYTES)


def _one_line(path: Path) -> bool:
    return len(_start(path).splitlines()) == 1


def _missing_or_doubled(header: list[str], contract: Contract) -> bool:
    """Whether the rows cannot be read under this header: a column of the contract is not there exactly once."""
    return any(header.count(column.name) != 1 for column in contract.columns)


def _check_header(header: list[str], contract: Contract) -> list[Reason]:
    wanted = [column.name for column in contract.columns]
    remedy = f"a header with the columns {','.join(wanted)}"
    if not set(header) & set(wanted):
        for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if len(header) == 1 and set(header[0].split(delimiter)) & set(wanted):
                message = f"the columns are separated by {name}, not by commas: {shorten(header[0])!r}"
                return [reason("wrong_delimiter", message, "commas between the columns")]
    missing = [name for name in wanted if name not in header]
    unknown = [name for name in dict.fromkeys(header) if name not in wanted and not contract.leaves_aside(name)]
    reasons = []
    for name in list(missing):
        if close := _alike(name, unknown):
            missing.remove(name)
            unknown.remove(close)
            message = f"column {name!r} is named {shorten(close)!r}"
            reasons.append(reason("column_renamed", message, f"the name {name!r}", column=name))
    reasons += [
        reason("column_missing", f"column {name!r} is missing", remedy, column=name, rows=[{"line": 1}])
        for name in missing
    ]
    reasons += [
        reason("column_unknown", f"column {shorten(name)!r} is not in the contract", remedy, column=shorten(name))
        for name in unknown[:EXAMPLES]
    ]
    reasons += [
        reason("column_duplicated", f"column {shorten(name)!r} is there {count} times", remedy, column=shorten(name))
        for name, count in Counter(header).items()
        if count > 1 and not contract.leaves_aside(name)
    ]
    return reasons


def _alike(name: str, others: list[str]) -> str | None:
    plain = {other.strip().lower(): other for other in others}
    close = get_close_matches(name.strip().lower(), plain, n=1, cutoff=0.75)
    return plain[close[0]] if close else None


# The rows


def _options(skip: Callable[[csv.InvalidRow], str], block_bytes: int) -> dict[str, object]:
    return {
        "read_options": csv.ReadOptions(block_size=block_bytes, use_threads=False),
        "parse_options": csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=False),
    }


def _no_rows() -> Reason:
    return reason("no_rows", "there is a header and no row", "a row for each input below the header")


def _without_blank_end(table: pa.Table, names: list[str]) -> int:
    """Return how many rows there are up to the last one that has any value."""
    end = len(table)
    while end and all(table.column(name)[end - 1].as_py() == "" for name in names):
        end -= 1
    return end


def _ragged(ragged: Ragged, rows: int) -> Reason:
    line, first = ragged.examples[0]
    message = (
        f"{ragged.count} of {rows} rows have another number of values than the header, first line {line}: "
        f"{first.actual_columns} instead of {first.expected_columns}"
    )
    return reason(
        "row_ragged",
        message,
        "as many values in each row as in the header; quotes around values with commas or line breaks",
        figures={"rows": ragged.count, "share": round(ragged.count / rows, 6), "limit": 0},
        rows=[{"line": line, "text": shorten(row.text)} for line, row in ragged.examples],
    )
