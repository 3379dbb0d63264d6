"""Heads of requests that have been parsed and checked once, and are recognised where they come again.

Programs that ask again and again on one connection send the same head each time, but for the length of the body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

END = b"\r\n\r\n"
SHAPE = re.compile(rb"(.*?\r\ncontent-length:[ \t]*)[0-9]+(\r\n.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Head:
    """The bytes of a good head before and after the digits that tell the length of the body."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, data: bytes, length: int) -> Self | None:
        """Return the head of data that end with a good request and its body, None where there is more than that."""
        head = data[: len(data) - length]
        found = SHAPE.fullmatch(head)
        if found is None or head.find(END) + len(END) != len(head):
            return None
        return cls(*found.groups())

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body where data are one whole request with this head, whatever its length."""
        if not data.startswith(self.before):
            return None
        end = data.find(b"\r", len(self.before))
        begin = end + len(self.after)
        if not data.startswith(self.after, end) or data[len(self.before) : end] != b"%d" % (len(data) - begin):
            return None
        return data[begin:]
