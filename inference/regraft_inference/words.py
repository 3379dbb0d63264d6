"""Words of a column, and the same as one text: made once, for all that look at their characters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

SEPARATOR = "\x00"
"""Stands before each word of a text. A word may have it, too."""


class Words(list[str]):
    """Words, whoever takes them for a list."""

    @cached_property
    def text(self) -> str:
        """All words, a separator before each."""
        return SEPARATOR.join(["", *self])


def words_of(words: Sequence[str]) -> Words:
    """Return words with their text: themselves, where they have one."""
    return words if isinstance(words, Words) else Words(words)
