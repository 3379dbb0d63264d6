"""A module is read from top to bottom: none is longer than that allows."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("core", "inference", "pipeline", "trigger-service", "cli", "tests")
MOST_LINES = 400


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_has_more_lines_than_one_reads_at_once(folder: str) -> None:
    lines = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lines
    assert {str(path.relative_to(ROOT)): n for path, n in lines.items() if n > MOST_LINES} == {}
