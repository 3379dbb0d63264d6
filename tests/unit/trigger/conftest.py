from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from tests.unit.trigger.serving import Running, Serve, running


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Log plainly: by default structlog draws tracebacks for seconds; and apart from what commands print here."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return what starts a service of its own settings; it stops with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(tmp_path, **settings))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a service that all tests of a module share."""
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started
