"""Threads that go on while something else is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

type GoesOn = Callable[[threading.Event], None]
"""What ends soon after the event is set."""


@contextmanager
def going_on(work: Sequence[GoesOn]) -> Iterator[None]:
    """Run each function in a thread of its own until the block is left."""
    stopping = threading.Event()
    threads = [threading.Thread(target=each, args=(stopping,)) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
