"""What tests of sources share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from regraft_pipeline.sources import source
from tests.unit.pipeline.sources.web import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.001)
