"""A client of the trigger service, for the command line."""

from __future__ import annotations

import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx

from regraft_core.addresses import needs_authorities, redacted
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, UnavailableError
from regraft_core.runs import Run
from regraft_core.standards import Blessed, Standards
from regraft_core.taskstate import TaskShown
from regraft_core.versions import VersionShown

POLL_SECONDS = 0.2
UPLOAD = httpx.Timeout(30.0, read=300.0, write=300.0)

_MAGIC = {b"\x1f\x8b": "application/gzip", b"PK\x03\x04": "application/zip", b"PAR1": "application/vnd.apache.parquet"}


class JsonClient:
    """Speaks JSON to one service; ``what`` it is stands in the errors."""

    def __init__(self, url: str, token: str | None = None, what: str = "trigger service") -> None:
        self.url = url.rstrip("/")
        self._what = what
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A stack on this machine is not behind the proxy of the environment.
        is_local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=30.0,
            trust_env=not is_local,
            verify=needs_authorities(url),
        )

    def call(self, method: str, path: str, **content: Any) -> Any:
        """Return the JSON of a good answer. Raises UnavailableError, or RegraftError with the code of a refusal."""
        return self.ask(method, path, **content).json()

    def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Return a good answer. Raises as ``call`` does."""
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise self._silent(error) from error
        if response.is_success:
            return response
        raise _error(response, self._what)

    def stream(self, path: str, to: Path) -> None:
        """Write what a good answer holds to a file. Raises as ``call`` does."""
        try:
            with self._http.stream("GET", path, timeout=UPLOAD) as response:
                if not response.is_success:
                    response.read()
                    raise _error(response, self._what)
                with to.open("wb") as file:
                    for piece in response.iter_bytes():
                        file.write(piece)
        except httpx.TransportError as error:
            raise self._silent(error) from error

    def _silent(self, error: httpx.TransportError) -> UnavailableError:
        return UnavailableError(
            f"no {self._what} answers at {redacted(self.url)} ({error}); `regraft up` starts one, --url names another, "
            "--data the folder of a stack that is up"
        )


class TriggerClient(JsonClient):
    """Speaks to one trigger service."""

    def trigger(self, dataset: str, *, task: str | None = None, force: bool = False) -> str:
        """Ask for a run on a dataset, an address or a file that is sent itself, and return its id."""
        asked: dict[str, Any] = {"force": force} | ({"task": task} if task else {})
        file = file_of(dataset)
        if file is None:
            run_id: str = self.call("POST", "/trigger", json={"data_url": dataset, **asked})["run_id"]
            return run_id
        headers = {"Content-Type": content_type(file), "Content-Disposition": disposition(file.name)}
        with file.open("rb") as content:
            parameters = {
                name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()
            }
            sent = self.call("POST", "/trigger", content=content, params=parameters, headers=headers, timeout=UPLOAD)
        return str(sent["run_id"])

    def rollback(self, task: str | None, version: str | None) -> str:
        """Ask for the earlier, or named, version and return the run's id."""
        body = {name: value for name, value in (("task", task), ("version", version)) if value}
        run_id: str = self.call("POST", "/rollback", json=body)["run_id"]
        return run_id

    def cancel(self, run_id: str) -> None:
        """Ask for the end of a run. Raises RegraftError (``run_unknown``, ``run_ended``)."""
        self.call("POST", f"/runs/{run_id}/cancel")

    def runs(self, *, task: str | None = None, limit: int = 20) -> list[Run]:
        """Return runs, newest first."""
        parameters = {"limit": str(limit)} | ({"task": task} if task else {})
        return [Run.model_validate(run) for run in self.call("GET", "/runs", params=parameters)["runs"]]

    def tasks(self) -> list[TaskShown]:
        """Return the tasks with their states."""
        return [TaskShown.model_validate(one) for one in self.call("GET", "/tasks")["tasks"]]

    def versions(self, task: str) -> list[VersionShown]:
        """Return the versions of a task, newest first."""
        return [VersionShown.model_validate(one) for one in self.call("GET", f"/tasks/{task}/versions")["versions"]]

    def standards(self, task: str) -> Standards:
        """Return what a dataset of a task is held against now."""
        return Standards.model_validate(self.call("GET", f"/tasks/{task}/standards"))

    def download(self, task: str, version: str, what: Literal["bundle", "data"], path: Path) -> None:
        """Write a version's bundle, a zip file, or the dataset that it was trained on, to a file."""
        self.stream(f"/tasks/{task}/versions/{version}/{what}", path)

    def bundle(self, task: str, version: str) -> Callable[[Path], None]:
        """Return what writes a version's bundle into a folder."""

        def write(folder: Path) -> None:
            with tempfile.TemporaryDirectory() as scratch:
                packed = Path(scratch) / "bundle.zip"
                self.download(task, version, "bundle", packed)
                with zipfile.ZipFile(packed) as files:
                    files.extractall(folder)  # nothing in it can leave the folder: zipfile sees to that

        return write

    def bless(self, task: str, *, by: str, why: str, **of: str) -> Blessed:
        """Make the dataset of a run (``run_id``), or one with this ``profile`` as JSON, the reference."""
        body = {"by": by, "why": why, **of}
        return Blessed.model_validate(self.call("POST", f"/tasks/{task}/reference", json=body, timeout=UPLOAD))

    def collected(self, task: str, since: str) -> bytes:
        """Return a dataset of the rows that were asked and whose outcomes are known."""
        return self.ask("GET", f"/tasks/{task}/collected", params={"since": since}, timeout=UPLOAD).content

    def run(self, run_id: str) -> Run:
        """Return a run. Raises RegraftError (``run_unknown``) where there is none."""
        return Run.model_validate(self.call("GET", f"/runs/{run_id}"))

    def follow(self, run_id: str) -> Iterator[Run]:
        """Yield a run again and again until it has ended."""
        while True:
            run = self.run(run_id)
            yield run
            if run.state.ended:
                return
            time.sleep(POLL_SECONDS)


def file_of(dataset: str) -> Path | None:
    """Return the file that a dataset on the command line is, None where it is an address.

    Raises RegraftError (``data_missing``) for what is neither.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", dataset.strip()):
        return None
    path = Path(dataset)
    if path.is_file():
        return path
    what = "is a folder" if path.is_dir() else "there is no such file"
    raise RegraftError(
        f"{dataset!r}: {what}, and it is no address that begins with http://, https:// or s3://", code=Code.DATA_MISSING
    )


def content_type(file: Path) -> str:
    """Return what a file is, by its first bytes: packed, Parquet, or text."""
    with file.open("rb") as content:
        begin = content.read(4)
    return next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), "text/csv")


def disposition(name: str) -> str:
    """Return the header that names a file: in plain letters, and as RFC 8187 has it where it has others."""
    plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\' else "_" for sign in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{extended}'


def _error(response: httpx.Response, what: str) -> RegraftError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "code" in problem and "detail" in problem:
        is_other = problem["code"] == Code.ROUTE_UNKNOWN
        where = f": {redacted(str(response.url))}; --url names another {what}" if is_other else ""
        error = RegraftError(f"{problem['detail']}{where}")
        error.code = str(problem["code"])  # of another release, it may be one that is not known here
        return error
    return RegraftError(
        f"the {what} at {redacted(str(response.url))} answers {response.status_code}: {response.text[:300]}"
    )
