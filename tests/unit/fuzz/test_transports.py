from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from regraft_core.errors import SourceError
from regraft_pipeline.sources import Limits, Site, fetch
from tests.checker.transports import TRANSPORTS, Transport, hostile_server

MOST_CPU_SECONDS = 10.0
"""For what is given up after little more than a second; the server here takes a part of it."""

MOST_MIB = 64
LIMITS = Limits(max_bytes=2_000_000, connect_seconds=2, read_seconds=0.3, total_seconds=1.2, attempts=2)


def used() -> tuple[float, int]:
    """Return the CPU seconds of this process, and the most memory that it has had, in MiB."""
    figures = resource.getrusage(resource.RUSAGE_SELF)
    return figures.ru_utime + figures.ru_stime, figures.ru_maxrss >> 10


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
def test_no_server_takes_more_time_or_memory_than_it_is_given(transport: Transport, tmp_path: Path) -> None:
    site = Site(limits=LIMITS, allow_private_hosts=["127.0.0.1"])
    (cpu, memory), began = used(), time.monotonic()
    with hostile_server() as url, pytest.raises(SourceError) as caught:
        fetch(f"{url}/{transport.name}", tmp_path / "file", site=site, progress=lambda *_: None)
    assert caught.value.code in transport.codes, caught.value.message
    assert time.monotonic() - began < LIMITS.total_seconds + 2 * LIMITS.read_seconds + 5
    assert used()[0] - cpu < MOST_CPU_SECONDS
    assert used()[1] - memory < MOST_MIB
