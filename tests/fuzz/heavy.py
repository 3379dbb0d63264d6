"""The hostile datasets in their heavy form, each judged in a process of its own, within 60 CPU seconds and 1 GiB."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.checker.hostile import HOSTILE, Hostile
from tests.fuzz.judging import MEMORY, SECONDS, costs

SCALE = 8
"""How much heavier than the small forms, which `make test` judges."""


def heavy(only: str = "") -> tuple[int, int]:
    """Judge those whose names have ``only`` in them, print a line each; return how many took too much, of how many."""
    chosen = [hostile for hostile in HOSTILE if only in f"hostile {hostile.name}"]
    return sum(not _is_borne(hostile) for hostile in chosen), len(chosen)


def _is_borne(hostile: Hostile) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / hostile.name
        file.write_bytes(hostile.make(SCALE))
        size = file.stat().st_size
        try:
            [cost] = costs([(hostile.task, file)], timeout=10 * SECONDS)
        except Exception as error:
            print(f"hostile {hostile.name}: {error}", flush=True)
            return False
    print(
        f"hostile {hostile.name:26} {size:12,} bytes {cost.cpu:6.1f} CPU s {cost.peak:5} MiB  {cost.codes[0]}",
        flush=True,
    )
    return hostile.code in cost.codes and cost.cpu < SECONDS and cost.peak < MEMORY
