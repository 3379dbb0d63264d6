"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Before numpy is imported: of small matrices, threads cost more than they do, the more so with a process on each core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("regraft", deadline=None)
settings.load_profile("regraft")

INTEGRATION = "tests/integration"


class Rooms(LoadScopeScheduling):
    """A file's tests run in one process, and all integration tests in one, for they share the stack."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return INTEGRATION if file.startswith(INTEGRATION) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Rooms:
    """Say which tests belong together where several processes share them."""
    return Rooms(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(INTEGRATION))
