"""Words of a column with what is made of them once, for all that look: their text, or their places in a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

SEPARATOR = "\x00"
"""Stands before each word of a text. A word may have it, too."""


class Words(list[str]):
    """Words, whoever takes them for a list."""

    @cached_property
    def text(self) -> str:
        """All words, a separator before each."""
        return SEPARATOR.join(["", *self])


MOST_PLACES = 256
"""Categories whose places fit into a byte each."""


class Choices(list[str]):
    """Words of a column with at most ``MOST_PLACES`` categories, whoever takes them for a list."""

    def __init__(self, words: Iterable[str], places: bytes, categories: tuple[Any, ...]) -> None:
        super().__init__(words)
        self.places, self.categories = places, categories
        """Of each word, which of the categories it is."""


def words_of(words: Sequence[str]) -> Words:
    """Return words with their text: themselves, where they have one."""
    return words if isinstance(words, Words) else Words(words)
