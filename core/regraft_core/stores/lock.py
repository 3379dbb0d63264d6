"""A lock on a file, which is free again when the process that holds it is gone, however it went."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regraft_core.errors import RegraftError

POLL_SECONDS = 0.2


@contextmanager
def locked(path: Path, *, seconds: float, busy: RegraftError) -> Iterator[None]:
    """Hold a lock that only one process can have. Raises ``busy`` where another holds it for longer than that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise busy from error
                time.sleep(POLL_SECONDS)
        yield
