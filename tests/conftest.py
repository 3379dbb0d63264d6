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
settings.register_profile("short", deadline=None, max_examples=30)
settings.register_profile("long", deadline=None, max_examples=200)
settings.load_profile("short")

ROOMS = (
    ("tests/integration/",),
    ("tests/unit/pipeline/test_", "tests/unit/pipeline/registry/"),
    ("tests/unit/pipeline/gates/",),
)
"""How the files begin whose tests share what takes long to make: the stack; MLflow and a predictor; trained models."""


class Rooms(LoadScopeScheduling):
    """A file's tests run in one process, and so do all of a room."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((room[0] for room in ROOMS if file.startswith(room)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Rooms:
    """Say which tests belong together where several processes share them."""
    return Rooms(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest."""
    items.sort(key=lambda item: next((n for n, room in enumerate(ROOMS) if item.nodeid.startswith(room)), len(ROOMS)))
