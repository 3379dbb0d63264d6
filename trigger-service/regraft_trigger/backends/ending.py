"""Ends runs whose own Workflow can do so no more: their deploy was left open, and may have to put back what served."""

from __future__ import annotations

from typing import Any

import httpx

from regraft_core.errors import NotFoundError, RegraftError, TemporaryError
from regraft_core.kube import answer, reaching
from regraft_core.logs import get_logger
from regraft_core.runs import RunRequest
from regraft_trigger.backends.workflows import ending_workflow, has_ended

log = get_logger(__name__)

Json = dict[str, Any]


class Ending:
    """Has a Workflow of its own put back what served, with the account that may, and record the run."""

    def __init__(self, api: httpx.AsyncClient, path: str, instance_id: str | None) -> None:
        self._api = api
        self._path = path
        self._instance_id = instance_id

    async def is_under_way(self, request: RunRequest) -> bool:
        """See that there is such a Workflow, and return whether it has still to come to its end.

        May be asked again and again, by several replicas. Where the cluster allows no such Workflow nothing is.
        """
        try:
            return not has_ended(await self._find_or_make(request))
        except TemporaryError as error:  # 409 too: another replica was faster
            log.info("what served cannot be put back now", run_id=request.run_id, reason=error.message)
            return True
        except RegraftError as error:
            log.warning("what served cannot be put back", run_id=request.run_id, reason=error.message)
            return False

    async def _find_or_make(self, request: RunRequest) -> Json:
        workflow = ending_workflow(request, instance_id=self._instance_id)
        with reaching():
            try:
                return answer(await self._api.get(f"{self._path}/{workflow.name}"))
            except NotFoundError:
                log.warning("deploy was left open, putting back what served", run_id=request.run_id)
                return answer(await self._api.post(self._path, json=workflow.to_dict()))
