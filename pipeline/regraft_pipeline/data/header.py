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
from pathlib import Path

from pyarrow import csv

from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.verdict import Reason
from regraft_pipeline.data.reasons import EXAMPLES, listed, reason, shorten
from regraft_pipeline.data.types import NUMBER

HEADER_BYTES = 1 << 20
"""Longest header that is looked at, bytes."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
READ = (",", ";", "\t")
"""Delimiters that are read where the header has them."""

SHOWN_HEADER = 10_000
"""Characters of a header of one name in which others are looked for."""

MOST_SIGNS = 20
"""Most signs of it that are tried."""

MAX_COMPARED = 200
"""Most unknown names that are compared with the missing ones."""

_BLANK = re.compile(rb"[ \t]*(\r\n|\n|\r)")
_SEPARATOR = re.compile(rb'"?sep=(.)"?[ \t]*(\r\n|\n|\r)', re.IGNORECASE)
_COMMENTS = ("#", "%", "//")
_UNNAMED = re.compile(r"|Unnamed: ?\d+|__index_level_\d+__")


@dataclass(frozen=True)
class Header:
    """The names of the columns, what separates them, and where they stand: byte, and line counted from 1."""

    names: tuple[str, ...]
    delimiter: str
    start: int
    line: int
    one_line: bool

    def place(self, name: str) -> int:
        """Return as which a column stands in the file, counted from 0."""
        return self.names.index(name)


def find_header(path: Path, contract: Contract) -> Header | None:
    """Return the header: the first line that is not blank. None where it cannot be read."""
    with path.open("rb") as file:
        content = file.read(HEADER_BYTES)
    start, line, said = header_start(content)
    best: Header | None = None
    for delimiter in (said,) if said in DELIMITERS else DELIMITERS:
        names = _names(content[start:], delimiter)
        if names is None:
            continue
        shown = content[start:].strip(b"\r\n \t")
        # Behind what was read there may be rows, however blank it ends.
        one_line = len(content) < HEADER_BYTES and not any(end in shown for end in (b"\n", b"\r"))
        found = Header(names, delimiter, start, line, one_line)
        if best is None or _known(found, contract) > _known(best, contract):
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


def _known(header: Header, contract: Contract) -> int:
    return len({column.name for column in contract.columns} & set(header.names))


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
    cause = _another_delimiter(header, wanted) or _nothing_known(header, contract, remedy)
    if cause is not None:
        return [cause]
    names = list(header.names)
    missing = [name for name in wanted if name not in names]
    unknown = [name for name in dict.fromkeys(names) if name not in wanted and not contract.leaves_aside(name)]
    asked = {*wanted, *unknown}
    doubled = [name for name, count in Counter(names).items() if count > 1 and name in asked]
    reasons = []
    if len(unnamed := [name for name in unknown if _UNNAMED.fullmatch(name)]) == 1 and not missing:
        unknown.remove(unnamed[0])
        reasons.append(_unnamed(names.index(unnamed[0]) + 1))
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
    return header.delimiter in READ and all(counts[column.name] == 1 for column in contract.columns)


def _another_delimiter(header: Header, wanted: list[str]) -> Reason | None:
    sign = _sign_between(header.names, wanted) if header.delimiter in READ else header.delimiter
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
    for sign in [sign for sign in signs[:MOST_SIGNS] if sign not in READ]:
        if len({name.strip() for name in text.split(sign)} & set(wanted)) > 1:
            return sign
    return None


def _nothing_known(header: Header, contract: Contract, remedy: str) -> Reason | None:
    """Return why none of the names is known, where there is one cause for that."""
    wanted = {column.name for column in contract.columns}
    names, first = header.names, header.names[0]
    if first.lstrip().startswith(_COMMENTS) and first.lstrip().lstrip("#%/").strip() in wanted:
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
    numeric = [name for name in names if re.fullmatch(NUMBER, name.strip())]
    if numeric and not any(_alike(name, list(names[:MAX_COMPARED])) for name in wanted):
        return reason(
            Code.HEADER_MISSING,
            f"there is no header: line {header.line} has values, such as {numeric[0]!r}, where names should be",
            f"{remedy} above the rows",
            rows=row,
        )
    return None


def _unnamed(place: int) -> Reason:
    return reason(
        Code.COLUMN_UNNAMED,
        f"column {place} has no name; pandas writes its index so",
        "the file without that column: pandas leaves its index out with index=False",
        figures={"place": place},
    )


def _unknown(unknown: list[str], remedy: str) -> list[Reason]:
    if not unknown:
        return []
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
    plain = {other.strip().lower(): other for other in others if len(other) < 4 * len(name) + 20}
    close = get_close_matches(name.strip().lower(), plain, n=1, cutoff=0.75)
    return plain[close[0]] if close else None
