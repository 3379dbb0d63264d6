"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Before numpy is imported: of small matrices, threads cost more than they do, the more so with a process on each core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("regraft", deadline=None)
settings.load_profile("regraft")

SHARED = ("stack", "mlflow_url")
"""Fixtures that cost as much as many tests: all tests that use one run in one process, before the others."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests belong together where several processes share them (``--dist loadgroup``)."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: [name == _group(item) for name in SHARED], reverse=True)


def _group(item: pytest.Item) -> str:
    used = item.fixturenames if isinstance(item, pytest.Function) else ()
    return next((name for name in SHARED if name in used), item.nodeid.partition("::")[0])
