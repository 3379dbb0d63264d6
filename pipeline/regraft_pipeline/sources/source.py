"""What every source of datasets works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from regraft_core.addresses import redacted
from regraft_core.codes import Code
from regraft_core.errors import SourceError
from regraft_core.stores.objects import ObjectStore

LONGEST_SHOWN = 300
"""Characters that are shown of an address."""

FIRST_PAUSE = 0.5
"""Seconds before the second attempt; doubled each time, up to LONGEST_PAUSE."""

LONGEST_PAUSE = 30.0
WAITING_SLICE = 0.5
"""Seconds between two words about a pause: whoever wants to end the run is heard then."""

type Progress = Callable[[float | None, str], None]
"""Share that is done, None where unknown, and what is being done."""


@dataclass(frozen=True)
class Limits:
    """What a download may take."""

    max_bytes: int
    connect_seconds: float
    read_seconds: float
    total_seconds: float
    attempts: int
    """How often in a row it may break off or find nobody, without a byte more than before."""


@dataclass(frozen=True)
class Site:
    """What a site allows and what it needs to reach data."""

    limits: Limits
    allow_private_hosts: Sequence[str] = ()
    proxy: str | None = None
    """Address of the proxy for data; ``env``: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say; None: no proxy."""

    ca_file: Path | None = None
    buckets: Sequence[str] = ()
    """Patterns of the buckets, or BUCKET/FOLDER, that s3:// addresses may name."""

    s3_endpoint_url: str | None = None
    store: ObjectStore | None = None


@dataclass(frozen=True)
class Fetched:
    """What was downloaded. ``final_url`` is the address after redirects, as it may be shown."""

    sha256: str
    bytes: int
    final_url: str


class Source(Protocol):
    """Brings a dataset from its address into a file. Raises SourceError with a ``source_...`` code."""

    def __call__(self, address: str, path: Path, *, site: Site, progress: Progress) -> Fetched:
        """Download."""
        ...


class PassingError(SourceError):
    """A failure that can pass by itself.

    ``patient``: the server itself says that it will, so it is asked as long as there is time. ``retry_after``: seconds
    for which it wants to be left alone, None where it does not say.
    """

    def __init__(
        self, message: str, *, code: Code, patient: bool = False, retry_after: float | None = None, **details: Any
    ) -> None:
        super().__init__(message, code=code, **details)
        self.patient = patient
        self.retry_after = retry_after


@dataclass
class Patience:
    """How long a download is tried again: what has broken off a few times, what asks for time as long as there is."""

    limits: Limits
    progress: Progress
    deadline: float = field(init=False)
    _failures: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.limits.total_seconds

    def moved_on(self) -> None:
        """Begin to count anew: something came."""
        self._failures = 0

    def wait(self, error: PassingError) -> None:
        """Return when it is time to try again. Raises the error where it is not worth it, or there is no time left."""
        self._failures += 1
        if not error.patient and self._failures >= self.limits.attempts:
            raise error
        pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
        if error.retry_after is not None:
            pause = max(error.retry_after, FIRST_PAUSE)
        left = self.deadline - time.monotonic()
        if pause >= left:
            if error.retry_after is not None and error.retry_after < float("inf"):
                error.message += f"; it asks for {pause:,.0f} s, and {max(left, 0):,.0f} s are left"
                error.args = (error.message,)
            raise error
        until = time.monotonic() + pause
        while (rest := until - time.monotonic()) > 0:
            self.progress(None, f"{error.message}; trying again in {rest:.0f} s")
            time.sleep(min(rest, WAITING_SLICE))


def shown(address: object) -> str:
    """Return an address as it may stand in a message: without secrets, and not too long."""
    text = redacted(str(address))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def too_large(address: object, limit: int) -> SourceError:
    """Return the error for a dataset over the limit."""
    return SourceError(
        f"{shown(address)} is larger than {limit:,} bytes; REGRAFT_MAX_DATASET_BYTES sets the limit",
        code=Code.SOURCE_TOO_LARGE,
        limit=limit,
    )
