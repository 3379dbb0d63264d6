"""Deployer of the embedded mode: a link to the bundle's folder, and a predictor that is told to load it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from regraft_core.addresses import needs_authorities
from regraft_core.codes import Code
from regraft_core.errors import DeployError, TemporaryError
from regraft_core.stores.lock import locked
from regraft_pipeline.deployers import VERSION_HEADER, DisplacedError, Place
from regraft_pipeline.settings import PipelineSettings

POLL_SECONDS = 0.2
PLACE_SECONDS = 10.0
ALONE_SECONDS = 240.0
"""How long the lock of another run is waited for: to set an address, and to decide what is in service."""


def of(settings: PipelineSettings) -> LocalDeployer:
    """Return the deployer of the settings."""
    return LocalDeployer(
        Path(settings.models_dir),
        predictor_url=settings.predictor_url,
        timeout=settings.deploy_timeout,
        proofs=settings.deploy_proofs,
    )


class LocalDeployer:
    """Puts bundles into service in one predictor that serves ``models_dir``, a link for each task in it."""

    def __init__(self, models_dir: Path, *, predictor_url: str, timeout: float, proofs: int) -> None:
        self._models_dir = models_dir.absolute()
        self._timeout = timeout
        self._proofs = proofs
        no_keepalive = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            base_url=predictor_url,
            timeout=30.0,
            trust_env=False,
            limits=no_keepalive,
            verify=needs_authorities(predictor_url),
        )

    def placed(self, task: str) -> Place:
        """Return what is set to serve."""
        with contextlib.suppress(OSError, ValueError):
            return Place.model_validate_json(self._note(task).read_bytes())
        link = self._models_dir / task
        return Place(uri=link.readlink().as_uri() + "/") if link.is_symlink() else Place()

    def place(self, task: str, old: Place, new: Place) -> bool:
        """Point the link at the bundle, if what is set is ``old`` still; return whether it is ``new`` now."""
        with self._locked(f".{task}.placing", seconds=PLACE_SECONDS):
            found = self.placed(task)
            if found not in (new, old):
                return False
            # The note first: a link that was not made any more is made by whoever proves the version.
            written = self._note(task).with_suffix(".new")
            written.write_text(new.model_dump_json())
            written.replace(self._note(task))
            self._point(task, new.uri)
        return True

    def prove(self, task: str, place: Place, heed: Callable[[], None] = lambda: None) -> None:
        """Have the bundle loaded, and see that the answers come from it.

        A predictor that is not there is waited for until the deadline: it may be starting again.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            heed()
            if not self.place(task, place, place):
                raise DisplacedError(f"{task} is set to version {self.placed(task).version} now")
            try:
                self._load(task)
                return self._prove(task, place.version)
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise DeployError(
                        f"the predictor cannot be reached: {error}", code=Code.PREDICTOR_UNREACHABLE
                    ) from error
                time.sleep(POLL_SECONDS)
            except DeployError:
                if self.placed(task) == place:
                    raise

    @contextlib.contextmanager
    def alone(self, task: str, order: str) -> Iterator[Callable[[], None]]:  # noqa: ARG002  (the lock knows its process)
        """Hold a lock that is free again when this process is gone, however it went."""
        with self._locked(f".{task}.lock", seconds=ALONE_SECONDS):
            yield lambda: None

    def _note(self, task: str) -> Path:
        # Begins with a dot, as all here but the links: the predictor does not take it for a task.
        return self._models_dir / f".{task}.place.json"

    def _locked(self, name: str, *, seconds: float) -> AbstractContextManager[None]:
        path = self._models_dir / name
        return locked(path, seconds=seconds, busy=TemporaryError(f"another run holds {path}", code=Code.LEASE_BUSY))

    def _point(self, task: str, uri: str | None) -> None:
        link = self._models_dir / task
        if uri is None:
            link.unlink(missing_ok=True)
            return
        new = self._models_dir / f".{task}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(Path(unquote(urlsplit(uri).path)))
        new.replace(link)

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
