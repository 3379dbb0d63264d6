"""MLflow's REST API, as much of it as Regraft speaks.

MLflow's own client takes five CPU seconds to import, in every process and every step's container anew; these calls
need httpx only. https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from regraft_core.addresses import redacted, redacted_text
from regraft_core.codes import Code
from regraft_core.errors import NotFoundError, RegraftError, TemporaryError, passes_by_itself
from regraft_pipeline.tls import trusted

Json = dict[str, Any]

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
NO_KEEPALIVE = httpx.Limits(max_keepalive_connections=0)
PATIENCE_SECONDS = 20.0
"""How long a server that is not there, or busy, is asked again."""
MAKE_PAUSE = 1.0
"""Seconds before a thing is looked for whose creation was not answered."""


class MlflowApi:
    """Calls to one MLflow server. User and password may stand in its address; they are never shown."""

    def __init__(self, url: str, *, ca_file: Path | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise RegraftError(
                f"REGRAFT_MLFLOW_TRACKING_URI is {redacted(url)!r}; it must be a server's http:// or https:// address",
                code=Code.SETTING_INVALID,
            )
        self._shown = redacted(url.rstrip("/"))
        # A server of one's own is not behind the proxy of the environment.
        # Connections are not kept: a step's calls are far between, and the server may have been restarted.
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/2.0/mlflow/",
            timeout=TIMEOUT,
            trust_env=False,
            limits=NO_KEEPALIVE,
            verify=trusted(ca_file) if url.startswith("https://") else False,  # what is never asked takes 50 ms of CPU
        )

    def get(self, path: str, **parameters: str) -> Json:
        """Ask. Raises NotFoundError where there is no such thing."""
        return self._call("GET", path, params=parameters)

    def post(self, path: str, **body: Any) -> Json:
        """Ask or change, where doing it twice is doing it once.

        Raises RegraftError with ``error_code`` as MLflow names it where that is refused.
        """
        return self._call("POST", path, json=body)

    def make(self, find: Callable[[], Json | None], path: str, **body: Any) -> Json:
        """Return what is found, or create it and return MLflow's answer.

        An answer that was lost may be that of a thing that is there: it is looked for again, never asked for twice.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if (found := find()) is not None:
                return found
            try:
                return self._once("POST", path, json=body)
            except TemporaryError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(MAKE_PAUSE)

    def patch(self, path: str, **body: Any) -> Json:
        """Change, where MLflow wants this method."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str, **body: Any) -> Json:
        """Remove. Raises NotFoundError where there is no such thing."""
        return self._call("DELETE", path, json=body)

    def _call(self, method: str, path: str, **content: Any) -> Json:
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = 0.1
        while True:
            try:
                return self._once(method, path, **content)
            except TemporaryError:
                if time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, 2.0)

    def _once(self, method: str, path: str, **content: Any) -> Json:
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise TemporaryError(
                f"MLflow at {self._shown} cannot be reached: {redacted_text(str(error))}", code=Code.MLFLOW_UNREACHABLE
            ) from error
        if passes_by_itself(response.status_code):
            raise TemporaryError(
                f"MLflow answers {response.status_code} to {method} {path}: {response.text[:300]}",
                code=Code.MLFLOW_BUSY,
            )
        try:
            answer: Json = response.json()
        except ValueError:
            answer = {"message": response.text[:300]}
        if response.is_success:
            return answer
        message = f"MLflow refuses {method} {path} with {response.status_code}: {answer.get('message')}"
        if response.status_code == 404:
            raise NotFoundError(message, code=Code.MLFLOW_NOT_FOUND)
        raise RegraftError(message, code=Code.MLFLOW_REFUSED, error_code=answer.get("error_code"))
