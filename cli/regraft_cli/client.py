"""A client of the trigger service, for the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from regraft_core.errors import RegraftError, UnavailableError
from regraft_core.runs import Run

POLL_SECONDS = 0.2


class TriggerClient:
    """Speaks to one trigger service."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A stack on this machine is not behind the proxy of the environment.
        is_local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=30.0, trust_env=not is_local)

    def trigger(self, data_url: str, *, task: str | None = None, force: bool = False) -> str:
        """Ask for a run and return its id."""
        body: dict[str, Any] = {"data_url": data_url, "force": force}
        if task:
            body["task"] = task
        run_id: str = self._call("POST", "/trigger", json=body)["run_id"]
        return run_id

    def rollback(self, task: str | None, version: str | None) -> str:
        """Ask for the earlier, or named, version and return the run's id."""
        body = {name: value for name, value in (("task", task), ("version", version)) if value}
        run_id: str = self._call("POST", "/rollback", json=body)["run_id"]
        return run_id

    def cancel(self, run_id: str) -> None:
        """Ask for the end of a run. Raises RegraftError (``run_unknown``, ``run_ended``)."""
        self._call("POST", f"/runs/{run_id}/cancel")

    def runs(self, *, task: str | None = None, limit: int = 20) -> list[Run]:
        """Return runs, newest first."""
        parameters = {"limit": str(limit)} | ({"task": task} if task else {})
        return [Run.model_validate(run) for run in self._call("GET", "/runs", params=parameters)["runs"]]

    def run(self, run_id: str) -> Run:
        """Return a run. Raises RegraftError (``run_unknown``) where there is none."""
        return Run.model_validate(self._call("GET", f"/runs/{run_id}"))

    def follow(self, run_id: str) -> Iterator[Run]:
        """Yield a run again and again until it has ended."""
        while True:
            run = self.run(run_id)
            yield run
            if run.state.ended:
                return
            time.sleep(POLL_SECONDS)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise UnavailableError(
                f"no trigger service answers at {self.url} ({error}); `regraft up` starts one, --url names another"
            ) from error
        if response.is_success:
            return response.json()
        raise _error(response)


def _error(response: httpx.Response) -> RegraftError:
    try:
        problem = response.json()
    except ValueError:
        return RegraftError(f"the trigger service answers {response.status_code}: {response.text[:300]}")
    return RegraftError(str(problem.get("detail")), code=str(problem.get("code")))
