from __future__ import annotations

from pathlib import Path

from tests.checker.hostile import HOSTILE
from tests.fuzz.judging import MEMORY, SECONDS, costs

MOST_CHARACTERS = 200_000
"""Of a verdict as JSON, with its profile."""


def test_no_dataset_takes_more_time_or_memory_or_words_than_it_is_given(tmp_path: Path) -> None:
    files = []
    for hostile in HOSTILE:
        (tmp_path / hostile.name).write_bytes(hostile.make(1))
        files.append((hostile.task, tmp_path / hostile.name))
    for hostile, cost in zip(HOSTILE, costs(files, timeout=300), strict=True):
        assert hostile.code in cost.codes, hostile.name
        assert cost.cpu < SECONDS, hostile.name
        assert cost.peak < MEMORY, hostile.name
        assert cost.size < MOST_CHARACTERS, hostile.name
