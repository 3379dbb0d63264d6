"""Rows that the forms of the page begin with: of the dataset that what serves was trained on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from regraft_core import layout
from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger
from regraft_core.serving import Serving
from regraft_core.stores.objects import ObjectStore

type Row = Mapping[str, Any]
"""Values by the names of their columns, as JSON has them."""

log = get_logger(__name__)


class Examples:
    """Finds a row for a task. ``serving`` tells what serves it."""

    def __init__(self, objects: ObjectStore, serving: Callable[[str], Awaitable[Serving | None]]) -> None:
        self._objects = objects
        self._serving = serving

    async def row(self, task: str) -> Row:
        """Return the row with the fewest gaps, nothing where there is none to be had."""
        try:
            serving = await self._serving(task)
            if serving is None:
                return {}
            content = await asyncio.to_thread(self._objects.get, layout.golden(serving.run_id))
            return {} if content is None else fullest(json.loads(content)["columns"])
        except (RegraftError, ValueError, LookupError, TypeError, AttributeError) as error:
            log.debug("no example of a request can be read", task=task, error=str(error))
            return {}


def fullest(columns: Mapping[str, list[Any]]) -> Row:
    """Return the first of the rows with the fewest gaps."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return min(rows, key=lambda row: sum(value is None for value in row.values()), default={})
