"""Datasets that are the body of a trigger themselves: received to disk, known by their SHA-256, put into the store."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any
from urllib.parse import unquote

from fastapi import Query, Request
from starlette.datastructures import Headers

from regraft_core.addresses import upload_address
from regraft_core.codes import Code
from regraft_core.codings import Unpacker, unpacker
from regraft_core.errors import BadRequestError, TooLargeError, UnavailableError
from regraft_trigger.bodies import TriggerBody, coding_errors, content_coding

TYPES = frozenset(
    {
        *("text/csv", "application/csv", "application/x-csv", "text/x-csv", "text/comma-separated-values"),
        *("text/tab-separated-values", "application/vnd.ms-excel"),  # the latter: CSV, as Windows calls it
        *("application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed"),
        *("application/vnd.apache.parquet", "application/x-parquet", "application/parquet"),
        "application/octet-stream",
    }
)
"""Content types of a dataset; every other body is taken for JSON."""

BATCH_BYTES = 1 << 20
SILENCE_SECONDS = 30.0
"""Longest silence in the middle of an upload."""

TOTAL_SECONDS = 900.0
"""Longest time that a whole upload may take."""

LONGEST_NAME = 100
_FILENAME = re.compile(r"""filename\s*=\s*(?:"([^"]*)"|([^;\s]+))""", re.IGNORECASE)
_EXTENDED = re.compile(r"filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)", re.IGNORECASE)
"""A name in other letters than ASCII's (RFC 8187), which goes before the plain one (RFC 6266)."""


@dataclass(frozen=True)
class Asked:
    """What the query says of a trigger: of a dataset that is the body it can stand nowhere else."""

    task: str | None
    force: bool

    def beside(self, body: TriggerBody) -> TriggerBody:
        """Return a body with what the query says, too. Raises BadRequestError where the two name different tasks."""
        if None not in (self.task, body.task) and self.task != body.task:
            raise BadRequestError(
                f"the address asks for the task {self.task!r} and the body for {body.task!r}; name it once",
                code=Code.PARAMETER_INVALID,
                parameter="task",
            )
        task = body.task if self.task is None else self.task
        return body.model_copy(update={"task": task, "force": self.force or body.force})


async def asked(
    task: Annotated[str | None, Query(max_length=63, description="The task, where the body does not name it")] = None,
    force: Annotated[bool, Query(description="As in the body")] = False,
) -> Asked:
    """Read the query of a trigger."""
    return Asked(task, force)


@dataclass(frozen=True)
class Upload:
    """A dataset that was received."""

    path: Path
    sha256: str
    name: str

    @property
    def address(self) -> str:
        """What stands for its address in the run."""
        return upload_address(self.sha256, self.name)


def is_upload(headers: Headers) -> bool:
    """Whether the body of a request is the dataset itself."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() in TYPES


class Uploads:
    """Receives a few datasets at a time, each up to a limit; nothing of them is kept in memory."""

    def __init__(self, *, max_bytes: int, at_once: int) -> None:
        self._max_bytes = max_bytes
        self._at_once = at_once
        self._now = 0
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="upload")

    @contextmanager
    def room(self) -> Iterator[None]:
        """Take one of the places. Raises UnavailableError where all are taken."""
        if self._now >= self._at_once:
            raise UnavailableError(f"{self._at_once} datasets are being received already", code=Code.UPLOADS_FULL)
        self._now += 1
        try:
            yield
        finally:
            self._now -= 1

    async def receive(self, request: Request, folder: Path) -> Upload:
        """Write the body of a request to a file in a folder.

        Raises TooLargeError, BadRequestError (``not_decodable``, ``body_incomplete``).
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._receive(request, folder)
        except TimeoutError as error:
            message = f"the body did not come within {TOTAL_SECONDS:.0f} s"
            raise BadRequestError(message, code=Code.BODY_INCOMPLETE) from error

    async def _receive(self, request: Request, folder: Path) -> Upload:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_bytes:
            raise self._too_large()
        path, digest, size = folder / "dataset", hashlib.sha256(), 0
        with coding_errors():
            stages = unpacker(content_coding(request))
        with path.open("wb") as file:
            async for batch in _batches(request.stream()):
                with coding_errors():
                    write = partial(self._write, batch, stages, file, digest, size)
                    size = await asyncio.get_running_loop().run_in_executor(self._threads, write)
        with coding_errors():
            stages.finish()
        return Upload(path, digest.hexdigest(), _name(request.headers.get("content-disposition", "")))

    def _write(self, batch: bytes, stages: Unpacker, file: IO[bytes], digest: Any, size: int) -> int:
        for chunk in stages.feed(batch):
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            file.write(chunk)
            digest.update(chunk)
        return size

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"the dataset has more than {self._max_bytes:,} bytes; REGRAFT_MAX_DATASET_BYTES sets the limit",
            limit=self._max_bytes,
        )


async def _batches(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Put what comes together in pieces that are worth a thread's time."""
    batch = bytearray()
    chunks = aiter(stream)
    while True:
        try:
            chunk = await asyncio.wait_for(anext(chunks), SILENCE_SECONDS)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            message = f"the body stopped for longer than {SILENCE_SECONDS:.0f} s"
            raise BadRequestError(message, code=Code.BODY_INCOMPLETE) from error
        batch += chunk
        if len(batch) >= BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)


def _name(disposition: str) -> str:
    """Return the name that a client gives its file, for people alone: the last part of it, printable, not too long."""
    extended, plain = _EXTENDED.search(disposition), _FILENAME.search(disposition)
    given = unquote(extended[1]) if extended else (plain[1] or plain[2] or "") if plain else ""
    name = re.split(r"[/\\]", given)[-1]
    return "".join(sign for sign in name if sign.isprintable())[:LONGEST_NAME]


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for one upload, gone when it has ended, however it ended."""
    with tempfile.TemporaryDirectory(prefix="regraft-upload-") as folder:
        yield Path(folder)
