"""What steps must never do, for processes that stop them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError


def tell_and_sleep(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def eat(size: int) -> None:
    eaten = bytearray(size)
    for place in range(0, size, 4096):
        eaten[place] = 1
    time.sleep(60)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(code: str, temporary: bool) -> None:
    raise (TemporaryError if temporary else RegraftError)("as the test wants it", code=Code.of(code))


def surprise() -> None:
    raise ValueError("surprise")
