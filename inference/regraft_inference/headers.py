"""Headers as lines, made once for each version."""

from __future__ import annotations

import re
from collections.abc import Iterable

FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""Bytes that a header's value must not hold (RFC 9110, section 5.5)."""


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as lines. Raises ValueError for what is no header."""
    lines = []
    for name, value in headers:
        if FORBIDDEN.search(value):
            raise ValueError(f"{name.decode()} cannot be {value!r}")
        lines += [name, b": ", value, b"\r\n"]
    return b"".join(lines)
