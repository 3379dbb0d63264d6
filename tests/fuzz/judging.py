"""What a dataset costs the gates: a process of its own that judges files and tells codes, CPU seconds and memory.

python -m tests.fuzz.judging TASK FILE [TASK FILE ...]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

SECONDS = 60.0
"""Most CPU seconds for a dataset, whatever it is."""

MEMORY = 1024
"""Most MiB of the process that judges it."""

LIMIT = 4 << 30
"""Bytes that it cannot have more of, so that one that goes wrong harms nobody else."""


class Cost(BaseModel):
    """What judging a file took: CPU seconds, and the most memory that the process has had so far, in MiB."""

    codes: list[str]
    size: int
    """Characters of all reasons as JSON."""
    cpu: float
    peak: int


def costs(files: Sequence[tuple[str, Path]], *, timeout: float) -> list[Cost]:
    """Judge files, each for a task, one after the other in one process of their own."""
    arguments = [str(part) for file in files for part in file]
    command = [sys.executable, "-m", __name__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise AssertionError(f"judging ended with {done.returncode}: {done.stderr[-2000:]}")
    return [Cost.model_validate_json(line) for line in done.stdout.splitlines()]


def _peak() -> int:
    """Return the most memory of this process, in MiB; ``getrusage`` would count that of the one before it, too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


def main() -> None:
    """Judge the files of the command line, and print a line of JSON for each."""
    from regraft_pipeline import gates, reference  # noqa: PLC0415  (what asks does not need them)
    from regraft_pipeline.tasks import load_task  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    names = sys.argv[1::2]
    tasks = {name: load_task(name) for name in names}
    references = {name: reference.shipped(task) for name, task in tasks.items()}
    for name, file in zip(names, sys.argv[2::2], strict=True):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            found = gates.judge(
                Path(file), tasks[name], reference=references[name], incumbent=None, folder=Path(folder)
            ).verdict
        cost = {
            "codes": [reason.code for reason in found.errors],
            "size": len(json.dumps(found.model_dump(mode="json"))),
            "cpu": round(time.process_time() - began, 2),
            "peak": _peak(),
        }
        print(json.dumps(cost), flush=True)


if __name__ == "__main__":
    main()
