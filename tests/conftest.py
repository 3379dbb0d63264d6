"""Which tests share a worker: those of a file, and all that need the same servers, so that each starts once."""

from __future__ import annotations

import pytest

SERVERS = {"stack": "the stack", "mlflow_url": "MLflow and a predictor"}
"""Fixtures of a whole session that start servers, and what they start."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group; the large ones begin first, so that no worker is left alone with one at the end."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_servers(item) or item.path.name))
    items.sort(key=lambda item: _servers(item) == "")


def _servers(item: pytest.Item) -> str:
    fixtures = getattr(item, "fixturenames", ())
    return next((server for fixture, server in SERVERS.items() if fixture in fixtures), "")
