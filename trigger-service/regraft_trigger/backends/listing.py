"""All Workflows of a namespace, as runs."""

from __future__ import annotations

import asyncio

import httpx

from regraft_core.kube import answer, reaching
from regraft_core.runs import Run
from regraft_core.workflows import TASK_LABEL
from regraft_trigger.backends.workflows import readable

PAGE = 200
"""Most Workflows in one answer of the API server."""


class Listing:
    """Reads the Workflows; who asks while they are being read waits for that, for thousands of them take seconds."""

    def __init__(self, api: httpx.AsyncClient, path: str) -> None:
        self._api = api
        self._path = path
        self._reading: asyncio.Task[tuple[dict[str, Run], str]] | None = None

    async def runs(self) -> tuple[dict[str, Run], str]:
        """Return the runs by their ids, and the version of the list to watch from.

        Raises TemporaryError, or what else the API server says.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    def close(self) -> None:
        """Read no further."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> tuple[dict[str, Run], str]:
        """Read page by page: a Workflow has some 50 KiB, and what a page is made of is gone with it."""
        runs: dict[str, Run] = {}
        parameters = {"labelSelector": TASK_LABEL, "limit": str(PAGE)}
        while True:
            with reaching():
                found = answer(await self._api.get(self._path, params=parameters))
            for workflow in found["items"]:
                if (run := readable(workflow)) is not None:
                    runs[run.run_id] = run
            if not (rest := found["metadata"].get("continue")):
                return runs, found["metadata"]["resourceVersion"]
            parameters["continue"] = rest
