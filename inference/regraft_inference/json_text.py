"""JSON as RFC 8259 has it, and what is wrong with a text that is none."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from regraft_core.codes import Code
from regraft_core.errors import ContractError

NO_JSON_WORD = re.compile(rb"[\[,:]\s*(-?Infinity|NaN|nan|inf)\b")
"""What programs write for numbers that JSON has no word for."""


JSON_STARTS = frozenset(bytes([sign]) for sign in b'{["-0123456789tfnNI\xff\xfe\x00')
"""What a JSON text begins with, and what those begin with of which something better is told."""

GZIP = b"\x1f\x8b"
"""What gzip data begin with."""


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text. Raises ContractError (``not_json``) for all that RFC 8259 does not allow."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ContractError(f"the body is not JSON: {_why_not(body, error)}", code=Code.NOT_JSON) from None


def parse_json_with_nan(body: bytes) -> Any:
    """Do as ``parse_json``, but take NaN for null: MLflow's own client writes so what pandas has for a gap."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"NaN" not in body:
            return parse_json(body)
    try:
        payload = json.loads(body.decode(), parse_constant=_gap)
        if b"\\u" in body:
            orjson.dumps(payload)  # Python's reader lets halves of characters pass
    except (ValueError, TypeError, RecursionError) as error:
        raise ContractError(f"the body is not JSON: {error}", code=Code.NOT_JSON) from None
    return payload


def _gap(word: str) -> None:
    """Return what a word that is no JSON stands for. Raises ValueError for all but NaN."""
    if word != "NaN":
        raise ValueError(f"{word} is no JSON")


def _why_not(body: bytes, error: orjson.JSONDecodeError) -> str:
    start = body.lstrip(b" \t\r\n")
    if not start:
        return "it is empty"
    if start.startswith(GZIP):
        return "it is packed with gzip, and no header says so: send it with Content-Encoding: gzip"
    if start[:1] not in JSON_STARTS or start.startswith(b"--"):
        begin = start[:20].decode("utf-8", "backslashreplace")
        return f"it begins with {begin!r}; a CSV or a form is not read here: send rows as JSON, as /schema says"
    if word := NO_JSON_WORD.search(body):
        return f"{word[1].decode()} is no JSON; leave the row out, or send null where it may be"
    try:
        body.decode()
    except UnicodeDecodeError as found:
        return f"it is not UTF-8, byte {found.start} of it is 0x{body[found.start]:02x}"
    return str(error)
