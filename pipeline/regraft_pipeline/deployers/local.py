"""Deployer of the embedded mode: a link to the bundle's folder, and a predictor that is told to load it."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from regraft_core.errors import DeployError
from regraft_pipeline.deployers import VERSION_HEADER

POLL_SECONDS = 0.2


class LocalDeployer:
    """Puts bundles into service in one predictor that serves ``models_dir``, a link for each task in it."""

    def __init__(self, models_dir: Path, *, predictor_url: str, timeout: float, proofs: int) -> None:
        self._models_dir = models_dir.absolute()
        self._timeout = timeout
        self._proofs = proofs
        no_keepalive = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=predictor_url, timeout=30.0, trust_env=False, limits=no_keepalive)

    def current(self, task: str) -> str | None:
        """Return the address of the bundle that is set to serve, None where there is none."""
        link = self._models_dir / task
        return link.readlink().as_uri() + "/" if link.is_symlink() else None

    def roll_out(self, task: str, uri: str, version: str) -> None:
        """Point the link at the bundle, have it loaded, and see that the answers come from it.

        A predictor that is not there is waited for until the deadline: it may be starting again.
        """
        self._point(task, Path(unquote(urlsplit(uri).path)))
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._load(task)
                return self._prove(task, version)
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise DeployError(
                        f"the predictor cannot be reached: {error}", code="predictor_unreachable"
                    ) from error
                time.sleep(POLL_SECONDS)

    def _point(self, task: str, folder: Path) -> None:
        self._models_dir.mkdir(parents=True, exist_ok=True)
        # Begins with a dot: the predictor does not take it for a task.
        new = self._models_dir / f".{task}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(folder)
        new.replace(self._models_dir / task)

    def _load(self, task: str) -> None:
        """Have the predictor take in what the link points at; it goes on with what it has where it cannot."""
        response = self._http.post(f"/v2/repository/models/{task}/load")
        if not response.is_success:
            raise DeployError(f"the predictor refuses the bundle: {_reason(response)}", reason=_code(response))

    def _prove(self, task: str, version: str) -> None:
        for _ in range(self._proofs):
            response = self._http.get(f"/{task}/schema")
            found = response.headers.get(VERSION_HEADER)
            if not response.is_success or found != version:
                raise DeployError(
                    f"the predictor answers {response.status_code} with version {found} instead of {version}"
                )


def _problem(response: httpx.Response) -> dict[str, object]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _reason(response: httpx.Response) -> str:
    return str(_problem(response).get("detail") or f"{response.status_code} {response.text[:300]}")


def _code(response: httpx.Response) -> str | None:
    code = _problem(response).get("code")
    return None if code is None else str(code)
