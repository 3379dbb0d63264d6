"""Read a CSV of unknown quality, strictly and in bounded memory: bytes in, rows of text out.

The file is looked at twice. The first pass sees only bytes: is this text at all, and is it UTF-8? The second parses
it with Arrow, block by block, every value as text: ``null`` and ``nan`` are valid passwords.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from regraft.core.contract import Contract
from regraft.core.verdict import Reason

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


@dataclass(frozen=True)
class Sheet:
    """The text of a CSV: one string column for each column of the contract, indexed by the line of each row."""

    text: pd.DataFrame | None
    rows: int = 0
    reasons: list[Reason] = field(default_factory=list)


def read(path: Path, contract: Contract) -> Sheet:
    """Read a file. ``text`` is None where no row can be told from another; nothing is raised for bad content."""
    if reason := _not_text(path):
        return Sheet(None, reasons=[reason])
    header = _header(path)
    if header is None:
        return Sheet(None, reasons=[_header_unreadable()])
    reasons = _check_header(header, contract)
    if _missing_or_doubled(header, contract):
        return Sheet(None, reasons=reasons)
    if _one_line(path):
        return Sheet(None, reasons=[*reasons, _no_rows()])
    return _records(path, contract, reasons)


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
        reader = csv.open_csv(pa.BufferReader(_start(path) + b"\n"), **_options([], 2 * HEADER_BYTES))
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
    unknown = [name for name in dict.fromkeys(header) if name not in wanted]
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
        if count > 1
    ]
    return reasons


def _alike(name: str, others: list[str]) -> str | None:
    plain = {other.strip().lower(): other for other in others}
    close = get_close_matches(name.strip().lower(), plain, n=1, cutoff=0.75)
    return plain[close[0]] if close else None


# The rows


def _options(ragged: list[csv.InvalidRow], block_bytes: int) -> dict[str, object]:
    def keep(row: csv.InvalidRow) -> str:
        ragged.append(row if len(ragged) < EXAMPLES else row._replace(text=""))
        return "skip"

    return {
        "read_options": csv.ReadOptions(block_size=block_bytes, use_threads=False),
        "parse_options": csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep, ignore_empty_lines=False),
    }


def _records(path: Path, contract: Contract, reasons: list[Reason]) -> Sheet:
    names = [column.name for column in contract.columns]
    ragged: list[csv.InvalidRow] = []
    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, include_columns=names, strings_can_be_null=False
    )
    try:
        with csv.open_csv(path, convert_options=convert, **_options(ragged, BLOCK_BYTES)) as reader:
            table = reader.read_all()
    except pa.ArrowInvalid:
        message = f"a row is longer than {BLOCK_BYTES >> 20} MiB, or a quote is opened and never closed"
        return Sheet(None, reasons=[*reasons, reason("row_too_long", message, "shorter rows, every quote closed")])
    rows = len(table) + len(ragged)
    lines, ragged_lines = _lines(table, ragged)
    table = table.append_column("", pa.array(lines))
    table = _without_blank_end(table, names)
    if rows == 0 or (len(table) == 0 and not ragged):
        return Sheet(None, reasons=[*reasons, _no_rows()])
    if ragged:
        reasons = [*reasons, _ragged(ragged, ragged_lines, rows)]
    text = table.select(names).to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
    text.index = pd.Index(table.column("").to_numpy(), name="line")
    return Sheet(text, len(table) + len(ragged), reasons)


def _no_rows() -> Reason:
    return reason("no_rows", "there is a header and no row", "a row for each input below the header")


def _lines(table: pa.Table, ragged: list[csv.InvalidRow]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the 1-based lines on which the rows and the ragged rows begin; breaks inside quoted values count."""
    is_ragged = np.zeros(len(table) + len(ragged), dtype=bool)
    is_ragged[[row.number - 2 for row in ragged]] = True
    breaks = np.zeros(len(is_ragged), dtype=np.int64)
    breaks[is_ragged] = [row.text.count("\n") for row in ragged]
    for column in table.columns:
        breaks[~is_ragged] += pc.count_substring(column, "\n").to_numpy()
    lines = 2 + np.arange(len(breaks)) + np.cumsum(breaks) - breaks
    return lines[~is_ragged], lines[is_ragged]


def _without_blank_end(table: pa.Table, names: list[str]) -> pa.Table:
    end = len(table)
    while end and all(table.column(name)[end - 1].as_py() == "" for name in names):
        end -= 1
    return table.slice(0, end)


def _ragged(ragged: list[csv.InvalidRow], lines: NDArray[np.int64], rows: int) -> Reason:
    first = ragged[0]
    message = (
        f"{len(ragged)} of {rows} rows have another number of values than the header, first line {lines[0]}: "
        f"{first.actual_columns} instead of {first.expected_columns}"
    )
    shown = zip(lines[:EXAMPLES].tolist(), ragged, strict=False)
    return reason(
        "row_ragged",
        message,
        "as many values in each row as in the header; quotes around values with commas or line breaks",
        figures={"rows": len(ragged), "share": round(len(ragged) / rows, 6), "limit": 0},
        rows=[{"line": line, "text": shorten(row.text)} for line, row in shown],
    )
