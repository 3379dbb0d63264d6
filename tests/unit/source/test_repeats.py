"""What is said twice is changed once: no two places in source share a passage."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
MEMBERS = ("core", "inference", "pipeline", "trigger-service", "cli")
IMPORT = re.compile(r"import \w|from [\w.]+ import ")
PASSAGE = 10
"""Lines, without empty ones, imports and comments."""


def test_no_two_places_share_ten_lines() -> None:
    places = defaultdict(list)
    for member in MEMBERS:
        for path in sorted((ROOT / member).glob("regraft_*/**/*.py")):
            lines = list(said(path.read_text()))
            for start in range(len(lines) - PASSAGE + 1):
                passage = lines[start : start + PASSAGE]
                places[tuple(text for _, text in passage)].append(f"{path.relative_to(ROOT)}:{passage[0][0]}")
    assert [found for found in places.values() if len(found) > 1] == []


def said(source: str) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that say something; layout is left out."""
    is_import = False  # one that goes on until its bracket is closed
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip()
        if IMPORT.match(text):
            is_import = text.endswith("(")
        elif is_import:
            is_import = text != ")"
        elif len(text) > 1 and not text.startswith("#"):
            yield number, text
