"""The header of a CSV: where it is, what separates its columns, and what is wrong with it, one reason for one cause."""

from __future__ import annotations

import codecs
import csv as plain
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from pyarrow import csv

from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.verdict import Reason
from regraft_core.written import NUMBER, READ_DELIMITERS
from regraft_pipeline.data.reasons import EXAMPLES, listed, reason, shorten

HEADER_BYTES = 1 << 20
"""Longest header that is looked at, bytes."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

SHOWN_HEADER = 10_000
"""Characters of a header of one name in which others are looked for."""

MOST_SIGNS = 20
"""Most signs of it that are tried."""

MOST_ABOVE = 50
"""Lines among which the header is looked for where the first is none."""

TEXT_LINES = 5
"""Most lines of what is a message and no table."""

MAX_COMPARED = 200
"""Most unknown names that are compared with the missing ones."""

LONGEST_NAME = 1000
"""Characters of a name that are compared."""

_LINE_END = re.compile(rb"[\r\n]")
_BLANK = re.compile(rb"[ \t]*(\r\n|\n|\r)")
_SEPARATOR = re.compile(rb'"?sep=(.)"?[ \t]*(\r\n|\n|\r)', re.IGNORECASE)
_COMMENTS = ("#", "%", "//", "--", ";", "!", "*", "@")
_MARKS = "#%/-;!*@"
_OTHER_LINE_END = re.compile(r"[\v\f\x1c-\x1e\x85\u2028\u2029]|(\\r)?\\n")
_UNNAMED = re.compile(r"|Unnamed: ?\d+|__index_level_\d+__")


@dataclass(frozen=True)
class Header:
    """The names of the columns, what separates them, and where they stand: byte, and line counted from 1.

    ``said`` is the delimiter that a line above says. ``head`` are the first lines of the file, from the header on; all
    of them where ``is_whole``.
    """

    names: tuple[str, ...]
    delimiter: str
    start: int
    line: int
    said: str | None
    head: tuple[str, ...]
    is_whole: bool

    @property
    def one_line(self) -> bool:
        """Whether there is nothing below."""
        return self.is_whole and len(self.head) == 1

    def place(self, name: str) -> int:
        """Return as which a column stands in the file, counted from 0."""
        return self.names.index(name)


def find_header(path: Path, contract: Contract) -> Header | None:
    """Return the header: the first line that is not blank. None where it cannot be read."""
    with path.open("rb") as file:
        content = file.read(HEADER_BYTES)
    start, line, said = header_start(content)
    if len(content) == HEADER_BYTES and not _LINE_END.search(content, start):
        return None  # it does not end where a header has to
    # What was read may end within a character; behind it there may be rows, however blank it ends.
    lines = content[start:].decode("utf-8", "ignore").strip().splitlines()
    is_whole = len(content) < HEADER_BYTES and len(lines) <= MOST_ABOVE
    head = tuple(text[:SHOWN_HEADER] for text in lines[:MOST_ABOVE])
    best: Header | None = None
    for delimiter in sorted(DELIMITERS, key=lambda sign: sign != said):
        names = _names(content[start:], delimiter)
        if names is None:
            continue
        found = Header(names, delimiter, start, line, said if said in DELIMITERS else None, head, is_whole)
        if best is None or _fit(found, contract) > _fit(best, contract):
            best = found
    return best


def header_start(content: bytes) -> tuple[int, int, str | None]:
    """Return where the header begins, byte and line, and the delimiter that a line before it says."""
    start = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    line, said = 1, None
    while blank := _BLANK.match(content, start):
        start, line = blank.end(), line + 1
    if separator := _SEPARATOR.match(content, start):  # Excel writes it and does not show it
        start, line, said = separator.end(), line + 1, separator[1].decode("utf-8", "replace")
    return start, line, said


def options(delimiter: str, skip: Callable[[csv.InvalidRow], str], block_bytes: int) -> dict[str, object]:
    """Return the options of Arrow's reader."""
    return {
        "read_options": csv.ReadOptions(block_size=block_bytes, use_threads=False),
        "parse_options": csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=False
        ),
    }


def _names(content: bytes, delimiter: str) -> tuple[str, ...] | None:
    text = io.StringIO(content.decode("utf-8", "ignore"), newline="")  # the end may be cut within a character
    try:
        return tuple(next(plain.reader(text, delimiter=delimiter, strict=True), ())) or None
    except plain.Error:
        return None


def _fit(header: Header, contract: Contract) -> tuple[int, int]:
    """Tell how well a delimiter fits: by the names that are known, where there are none by how many there are."""
    known = len({column.name for column in contract.columns} & set(header.names))
    return known, 0 if known else len(header.names)


def header_unreadable() -> Reason:
    """Return the reason of a first line that is no header at all."""
    return reason(
        Code.HEADER_UNREADABLE,
        "the first line cannot be read as a CSV header",
        "a first line with the names of the columns, every quote closed",
    )


def check_header(header: Header, contract: Contract) -> list[Reason]:
    """Return what is wrong with a header: where there is one cause for all, that cause alone."""
    wanted = [column.name for column in contract.columns]
    remedy = f"a header with the columns {header.delimiter.join(wanted)}"
    cause = _another_line_end(header, wanted) or _another_delimiter(header, wanted)
    cause = cause or _nothing_known(header, contract, remedy)
    if cause is not None:
        return [cause]
    names = list(header.names)
    missing = [name for name in wanted if name not in names]
    unknown = [name for name in dict.fromkeys(names) if name not in wanted and not contract.leaves_aside(name)]
    asked = {*wanted, *unknown}
    unnamed = set() if missing else {name for name in unknown if _UNNAMED.fullmatch(name)}
    unknown = [name for name in unknown if name not in unnamed]
    doubled = [name for name, count in Counter(names).items() if count > 1 and name in asked and name not in unnamed]
    reasons = []
    if unnamed:
        places = [place for place, name in enumerate(names, 1) if name in unnamed]
        reasons.append(_unnamed(places, 0 if any(unnamed) else len(names)))
    for name in list(missing):
        if close := _alike(name, unknown[:MAX_COMPARED]):
            missing.remove(name)
            unknown.remove(close)
            message = f"column {name!r} is named {shorten(close)!r}"
            reasons.append(reason(Code.COLUMN_RENAMED, message, f"the name {name!r}", column=name))
    reasons += [
        reason(
            Code.COLUMN_MISSING,
            f"column {name!r} is missing",
            remedy,
            column=name,
            rows=[{"line": header.line, "text": shorten(header.delimiter.join(names[: 4 * EXAMPLES]))}],
        )
        for name in missing
    ]
    return reasons + _unknown(unknown, remedy) + _doubled(doubled, names, remedy)


def can_be_read(header: Header, contract: Contract) -> bool:
    """Whether rows can be read under this header: each column of the contract is there exactly once."""
    counts = Counter(header.names)
    return (
        header.delimiter in READ_DELIMITERS
        and header.said in (None, header.delimiter)
        and all(counts[column.name] == 1 for column in contract.columns)
    )


def _another_line_end(header: Header, wanted: list[str]) -> Reason | None:
    """Return the reason of lines that end in a sign at which no line of a CSV ends, so that all are the header."""
    for name in header.names:
        if (found := _OTHER_LINE_END.search(name)) and name[: found.start()] in wanted and name[found.end() :]:
            sign = found[0] if found[0].isascii() and found[0].isprintable() else f"U+{ord(found[0]):04X}"
            message = f"lines end in {sign}, at which no line of a CSV ends: the first goes on with {shorten(name)!r}"
            return reason(Code.HEADER_UNREADABLE, message, "lines that end in a line feed, as CSV has them")
    return None


def _another_delimiter(header: Header, wanted: list[str]) -> Reason | None:
    if header.said not in (None, header.delimiter) and set(wanted) & set(header.names):
        said, found = DELIMITERS[str(header.said)], DELIMITERS[header.delimiter]
        message = f"the line above the header says that {said} separate the columns, and {found} do"
        return reason(Code.WRONG_DELIMITER, message, f"a line 'sep={header.delimiter}', or none")
    sign = _sign_between(header.names, wanted) if header.delimiter in READ_DELIMITERS else header.delimiter
    if sign is None:
        return None
    message = (
        f"the columns are separated by {DELIMITERS.get(sign) or ('blanks' if sign == ' ' else ascii(sign))}: "
        f"{shorten(header.delimiter.join(header.names))!r}"
    )
    return reason(Code.WRONG_DELIMITER, message, f"commas, semicolons or tabs between the columns {', '.join(wanted)}")


def _sign_between(names: tuple[str, ...], wanted: list[str]) -> str | None:
    """Return the sign between names that were read as one, None where there is none that nobody reads."""
    text = names[0][:SHOWN_HEADER]
    signs = [] if len(names) > 1 else list(dict.fromkeys(sign for sign in text if not (sign.isalnum() or sign == "_")))
    for sign in [sign for sign in signs[:MOST_SIGNS] if sign not in READ_DELIMITERS]:
        if len({name.strip() for name in text.split(sign)} & set(wanted)) > 1:
            return sign
    return None


def _nothing_known(header: Header, contract: Contract, remedy: str) -> Reason | None:
    """Return why none of the names is known, where there is one cause for that."""
    wanted = {column.name for column in contract.columns}
    names, first = header.names, header.names[0]
    if first.lstrip().startswith(_COMMENTS) and first.lstrip().lstrip(_MARKS).strip() in wanted:
        return reason(
            Code.HEADER_COMMENTED,
            f"the header is commented out: {shorten(header.delimiter.join(names))!r}",
            f"{remedy}, without a mark before it",
        )
    if wanted & set(names):
        return None
    row = [{"line": header.line, "text": shorten(header.delimiter.join(names[: 4 * EXAMPLES]))}]
    if len(names) == 1 and any(len(wanted & set(first.split(delimiter))) > 1 for delimiter in DELIMITERS):
        return reason(
            Code.LINE_IN_QUOTES,
            f"each line is in quotes as a whole, so that it is one value: {shorten(first)!r}",
            "quotes around single values, or none",
            rows=row,
        )
    return _no_names(header, contract, remedy, row)


def _no_names(header: Header, contract: Contract, remedy: str, row: list[dict[str, object]]) -> Reason | None:
    """Return why the first line is no header, None where it may be one of another table."""
    wanted = {column.name for column in contract.columns}
    if (below := _below(header, wanted)) is not None:
        message = f"the header stands on line {below}, below what is no part of the table: {shorten(header.head[0])!r}"
        return reason(Code.HEADER_BELOW, message, f"{remedy} on the first line", rows=row)
    remedy = f"{remedy} above the rows"
    if len(header.names) == 1 and header.is_whole and len(header.head) <= TEXT_LINES:
        message = f"there is no header: the file is a text and no table: {shorten(' '.join(header.head))!r}"
        return reason(Code.HEADER_MISSING, message, remedy, rows=row)
    numeric = [name for name in header.names if re.fullmatch(NUMBER, name.strip())]
    if numeric and not any(_alike(name, list(header.names[:MAX_COMPARED])) for name in wanted):
        message = f"there is no header: line {header.line} has values, such as {numeric[0]!r}, where names should be"
        return reason(Code.HEADER_MISSING, message, remedy, rows=row)
    return None


def _below(header: Header, wanted: set[str]) -> int | None:
    """Return the line on which names of the contract stand, where it is not the first."""
    for below, text in enumerate(header.head[1:], 1):
        if any(len(wanted & {name.strip() for name in _names(text.encode(), sign) or ()}) > 1 for sign in DELIMITERS):
            return header.line + below
    return None


def _unnamed(places: list[int], width: int) -> Reason:
    """Return the reason of columns without a name, by their places: the last ones are none but the end of a line.

    ``width`` is how many columns there are, 0 where an index has a name that says so.
    """
    which = f"column {places[0]} has" if len(places) == 1 else f"columns {', '.join(map(str, places[:EXAMPLES]))} have"
    if places[-1] == width and places[-1] - places[0] == len(places) - 1:
        why, remedy = "lines end with a delimiter", "lines that end with their last value"
    else:
        why, remedy = (
            "pandas writes its index so",
            "the file without: pandas leaves its index out with index=False, R its row names with row.names=FALSE",
        )
    return reason(
        Code.COLUMN_UNNAMED, f"{which} no name; {why}", remedy, figures={"place": places[0], "columns": len(places)}
    )


def _unknown(unknown: list[str], remedy: str) -> list[Reason]:
    if not unknown:
        return []
    remedy += "; the task's file leaves a column aside with 'role: ignored', all others with 'extra_columns: ignore'"
    if len(unknown) <= EXAMPLES:
        return [
            reason(
                Code.COLUMN_UNKNOWN, f"column {shorten(name)!r} is not in the contract", remedy, column=shorten(name)
            )
            for name in unknown
        ]
    message = f"{len(unknown):,} columns are not in the contract: {listed(unknown)}"
    return [reason(Code.COLUMN_UNKNOWN, message, remedy, figures={"columns": len(unknown)})]


def _doubled(doubled: list[str], names: list[str], remedy: str) -> list[Reason]:
    if not doubled:
        return []
    if len(doubled) <= EXAMPLES:
        counts = Counter(names)
        return [
            reason(
                Code.COLUMN_DUPLICATED,
                f"column {shorten(name)!r} is there {counts[name]} times",
                remedy,
                column=shorten(name),
            )
            for name in doubled
        ]
    message = f"{len(doubled):,} columns are there more than once: {listed(doubled)}"
    return [reason(Code.COLUMN_DUPLICATED, message, remedy, figures={"columns": len(doubled)})]


def _alike(name: str, others: list[str]) -> str | None:
    """Return the name in other letters, with other signs or behind a table's name; else the nearest."""
    for letters in (_letters, lambda other: _letters(other.rpartition(".")[2])):
        if found := next((other for other in others if letters(other) == _letters(name) != ""), None):
            return found
    near = {other.strip().lower(): other for other in others if len(other) < 4 * len(name) + 20}
    close = get_close_matches(name.strip().lower(), near, n=1, cutoff=0.75)
    return near[close[0]] if close else None


@lru_cache(4 * MAX_COMPARED)
def _letters(name: str) -> str:
    """Return the letters and digits of a name, whatever their case."""
    return "".join(sign for sign in name[:LONGEST_NAME].casefold() if sign.isalnum())
