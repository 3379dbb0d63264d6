"""Quotes as RFC 4180 has them: a quoted value ends where a delimiter, a line's end or the file's end follows its quote.

Anything else would be read as something that nobody meant: a quote that opens by accident swallows the rows up to the
next one. So a file whose quotes do not follow the rule is refused, with the line. A quote inside of a value that does
not begin with one is a character like others.
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_pipeline.data.reasons import reason, shorten

QUOTE = ord('"')
BLOCK_BYTES = 1 << 22
_QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')
_REMEDY = 'quotes around values that have a quote, and each quote inside doubled: "a ""b"" c"'

type Bytes = NDArray[np.uint8]


def check_quotes(path: Path, *, delimiter: str, start: int) -> Reason | None:
    """Return what is wrong with the quotes of a file from a byte on, None where nothing is.

    Time grows linearly with the file, memory does not grow.
    """
    if path.stat().st_size <= start:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not _follow_the_rule(content, ord(delimiter), start) and (found := _first_wrong(content, delimiter, start)):
            return found
        return _lone_return(content, start)


def _follow_the_rule(content: mmap.mmap, delimiter: int, start: int) -> bool:
    """Whether every second quote opens where a value begins, and the others close where one ends.

    True for nearly all files, and told a block at a time. Where it is not, a closer look decides.
    """
    size, opened = len(content), 0
    for first in range(start, size, BLOCK_BYTES):
        block = np.frombuffer(content[first : first + BLOCK_BYTES], dtype=np.uint8)
        places = np.flatnonzero(block == QUOTE)
        if not len(places):
            continue
        around = np.frombuffer(content[max(first - 1, 0) : first + BLOCK_BYTES + 1], dtype=np.uint8)
        shift = 1 if first else 0
        before = np.where(places + first > start, around[places + shift - 1], ord("\n"))
        last = places + shift + 1 >= len(around)
        after = np.where(last, ord("\n"), around[np.minimum(places + shift + 1, len(around) - 1)])
        opens = (np.arange(len(places)) + opened) % 2 == 0
        if not _at_an_edge(np.where(opens, before, after), delimiter).all():
            return False
        opened = (opened + len(places)) % 2
    return not opened


def _at_an_edge(beside: Bytes, delimiter: int) -> NDArray[np.bool_]:
    """Whether these bytes are a delimiter, a line's end, or the other half of a doubled quote."""
    return np.isin(beside, np.array([delimiter, ord("\n"), ord("\r"), QUOTE], dtype=np.uint8))


def _lone_return(content: mmap.mmap, start: int) -> Reason | None:
    """Return the first carriage return outside of quotes that ends no line, in a file whose lines end in line feeds.

    Some readers take it for a line's end and others for a character, so that one row would be two.
    """
    if content.find(b"\r", start) < 0 or content.find(b"\n", start) < 0:
        return None
    opened = 0
    for first in range(start, len(content), BLOCK_BYTES):
        block = np.frombuffer(content[first : first + BLOCK_BYTES + 1], dtype=np.uint8)
        own = block[:BLOCK_BYTES]
        followed = np.append(block[1:], ord("\n"))[: len(own)]
        quotes = np.flatnonzero(own == QUOTE)
        lone = np.flatnonzero((own == ord("\r")) & (followed != ord("\n")) & (followed != ord("\r")))
        outside = lone[(opened + np.searchsorted(quotes, lone)) % 2 == 0]
        if len(outside):
            place = first + int(outside[0])
            line = _line(content, place)
            rows = [{"line": line, "text": _text(content, place)}]
            message = f"line {line} has a carriage return that ends no line, while lines end in line feeds"
            return reason(
                Code.LINE_END_STRAY, message, "quotes around values with line breaks; one kind of line end", rows=rows
            )
        opened = (opened + len(quotes)) % 2
    return None


def _first_wrong(content: mmap.mmap, delimiter: str, start: int) -> Reason | None:
    edges = (delimiter.encode(), b"\n", b"\r")
    place = start
    while (opening := content.find(b'"', place)) >= 0:
        before = opening
        while before > start and content[before - 1 : before] == b" ":
            before -= 1
        begins = before == start or content[before - 1 : before] in edges
        if not begins:  # a quote inside of a value that is not quoted
            place = opening + 1
            continue
        if before < opening:
            return _stray(content, opening, "a blank stands before a quote that opens a value")
        quoted = _QUOTED.match(content, opening)
        if quoted is None:
            return _unclosed(content, opening)
        place = quoted.end()
        if place < len(content) and content[place : place + 1] not in edges:
            where = _line(content, place)
            line = _line(content, opening)
            closed = f" on line {where}" if where != line else ""
            return _stray(content, opening, f"a quote opens a value, and text follows the quote that closes it{closed}")
    return None


def _stray(content: mmap.mmap, place: int, what: str) -> Reason:
    line = _line(content, place)
    rows = [{"line": line, "text": _text(content, place)}]
    return reason(Code.QUOTE_STRAY, f"line {line}: {what}", _REMEDY, rows=rows)


def _unclosed(content: mmap.mmap, place: int) -> Reason:
    line = _line(content, place)
    rows = [{"line": line, "text": _text(content, place)}]
    return reason(
        Code.QUOTE_UNCLOSED, f"the quote that opens a value on line {line} is never closed", _REMEDY, rows=rows
    )


def _line(content: mmap.mmap, place: int) -> int:
    """Return the line of a byte, counted from 1; by carriage returns where there are no line feeds."""
    feeds = returns = 0
    for first in range(0, place, BLOCK_BYTES):
        block = content[first : min(first + BLOCK_BYTES, place)]
        feeds += block.count(b"\n")
        returns += block.count(b"\r")
    return 1 + (feeds or returns)


def _text(content: mmap.mmap, place: int) -> str:
    begin = max(content.rfind(b"\n", max(place - 1000, 0), place) + 1, place - 1000, 0)
    end = content.find(b"\n", place, place + 1000)
    return shorten(content[begin : end if end >= 0 else place + 1000].decode("utf-8", "replace").rstrip("\r"))
