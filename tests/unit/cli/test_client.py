"""Whom the command line believes."""

from __future__ import annotations

from pathlib import Path

import pytest

from regraft_cli.client import TriggerClient
from regraft_core.errors import UnavailableError
from tests.unit.pipeline.sources.test_tls import answering, authority

__all__ = ["authority"]


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_service_behind_tls_proves_who_it_is_however_its_address_is_written(authority: Path, scheme: str) -> None:
    with answering(authority, lambda _: (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True)) as url:
        client = TriggerClient(scheme + url.removeprefix("https").removesuffix("/a.csv"))
        with pytest.raises(UnavailableError, match=r"(?i)certificate"):
            client.call("GET", "/runs")
