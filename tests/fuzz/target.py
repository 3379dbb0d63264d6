"""What can be fuzzed: a target makes good inputs, and says of any input whether it was treated as it must be."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

type Check = Callable[[bytes], None]

LONGEST = 1 << 18
"""Bytes after which a mutated input is cut."""

SHRINK_CALLS = 400
"""How often an input that fails is tried smaller."""


class WrongError(AssertionError):
    """An input was not treated as it must be."""


@dataclass(frozen=True)
class Target:
    """One thing that takes bytes from strangers.

    ``make`` returns a good input. ``check`` raises for an input that is treated wrong: WrongError, or whatever the
    code lets out. ``words`` are pieces that mean something to it; mutations put them in.
    """

    name: str
    make: Callable[[random.Random], bytes]
    check: Check
    words: Sequence[bytes] = ()


@dataclass(frozen=True)
class Failure:
    """An input that is treated wrong, as small as it was found, and how."""

    target: str
    content: bytes
    what: str


def mutated(content: bytes, target: Target, source: random.Random) -> bytes:
    """Return the input with one to four random changes."""
    for _ in range(source.randint(1, 4)):
        begin, end = sorted(source.randint(0, len(content)) for _ in range(2))
        end = min(end, begin + 64)
        piece = content[begin:end]
        change = source.randrange(7)
        if change == 0:
            content = content[:begin] + bytes([source.randrange(256)]) + content[begin + 1 :]
        elif change == 1:
            content = content[:begin] + content[end:]
        elif change == 2:
            content = content[:begin] + piece * source.choice((2, 3, 50, 1000)) + content[end:]
        elif change == 3:
            content = content[:begin]
        elif change == 4:
            content = content[:begin] + target.make(source)[begin:]
        elif target.words:
            content = content[:begin] + source.choice(target.words) * source.choice((1, 1, 2, 40)) + content[begin:]
    return content[:LONGEST]


def failure_of(target: Target, content: bytes) -> Failure | None:
    """Return how an input is treated wrong, None where it is treated as it must be."""
    try:
        target.check(content)
    except Exception as error:
        return Failure(target.name, content, f"{type(error).__name__}: {error}")
    return None


def shrunk(target: Target, failure: Failure) -> Failure:
    """Return the same kind of failure by an input from which nothing more can be taken, or not within the calls."""
    kind, calls, step = failure.what.split(":")[0], 0, max(len(failure.content) // 2, 1)
    while step and calls < SHRINK_CALLS:
        place = 0
        while place < len(failure.content) and calls < SHRINK_CALLS:
            calls += 1
            smaller = failure_of(target, failure.content[:place] + failure.content[place + step :])
            if smaller is not None and smaller.what.split(":")[0] == kind:
                failure = smaller
            else:
                place += step
        step //= 2
    return failure
