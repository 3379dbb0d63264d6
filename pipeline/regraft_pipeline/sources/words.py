"""What a server says in its answer, for a message: why it refuses, when to come back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from html import unescape

LONGEST_WORDS = 200
"""Characters of a server's own words that are quoted."""

READ_BYTES = 4096
"""Bytes of a refusal that are read to find them."""

_OPEN = "post an address that opens without signing in, such as a signed one, or send the file itself"
_NOWHERE = "it redirects without saying where; post the address at which the file itself is"

ADVICE = {
    **dict.fromkeys((204, 205), "it has no content; look whether the address is that of a file"),
    206: "a part is no dataset; the server must send the whole where no Range is asked for",
    300: "it offers several; post the address of the one that is meant",
    **dict.fromkeys((301, 302, 303, 307, 308), _NOWHERE),
    **dict.fromkeys((401, 403), _OPEN),
}
"""What to do about a status that the server's own words often leave unexplained."""

_FIELDS = ("message", "detail", "error_description", "error", "title", "reason", "description", "errors")
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_TAG = re.compile(r"<[^>]{0,500}>")
_UNSEEN = re.compile(r"<(script|style)\b.*?(</\1>|$)", re.IGNORECASE | re.DOTALL)


def words_of(body: bytes, hide: Callable[[str], str]) -> str:
    """Return what the body of a refusal says: the message of XML and JSON, the title of a page, else its text.

    At most LONGEST_WORDS characters in one line, with what is no printable character escaped; empty for nothing.
    ``hide`` takes secrets out of the whole, before a part of one could be left.
    """
    text = body.decode("utf-8", "replace")
    said = _of_json(text) if text.lstrip()[:1] in ("{", "[") else _of_markup(text) if "<" in text else text
    return in_one_line(hide(said))


def in_one_line(text: str) -> str:
    """Return a text in one line of at most LONGEST_WORDS characters, what is no printable character escaped."""
    line = " ".join(text.split())
    line = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)
    return line if len(line) <= LONGEST_WORDS else f"{line[:LONGEST_WORDS]}…"


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, a number or a date (RFC 9110, section 10.2.3).

    None where it asks for none: one that is over, or that says nothing.
    """
    text = (value or "").strip()
    try:
        seconds = float(text) if _SECONDS.fullmatch(text) else _moment(text) - time.time()
    except (ValueError, OverflowError, TypeError):
        return None
    return seconds if seconds > 0 else None


def _moment(text: str) -> float:
    """Return the seconds since 1970 of a date, which is in GMT even in the form that does not say so."""
    found = parsedate_to_datetime(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _of_json(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(3):
        if isinstance(found, list):
            found = found[0] if found else ""
        elif isinstance(found, dict):
            found = next((found[name] for name in _FIELDS if found.get(name)), "")
    return found if isinstance(found, str) else ""


def _of_markup(text: str) -> str:
    parts = [match[2] for match in re.finditer(r"<(code|message)>(.*?)</\1>", text, re.IGNORECASE | re.DOTALL)]
    if parts:
        return ": ".join(unescape(part) for part in parts[:2])
    if title := re.search(r"<title[^>]{0,200}>(.*?)</title>", text, re.IGNORECASE | re.DOTALL):
        return unescape(title[1])
    return unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
