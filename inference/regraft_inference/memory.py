"""Memory that a version leaves behind when another has taken its place."""

from __future__ import annotations

import ctypes
import gc

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of glibc alone. Called by ctypes, it does not hold Python's lock."""


def give_back() -> None:
    """Give the memory of what nobody uses any more back to the system. Takes some milliseconds.

    A version hangs in cycles, which Python would look for some versions later; and what is freed, glibc keeps in
    pieces between what is not. Together that is up to 100 MiB, and more with each swap.
    """
    gc.collect()
    if _trim is not None:
        _trim(0)
