"""The object store: a bucket in S3, or a folder that stands for one.

Keys are relative paths with ``/``. Every write is atomic: a reader sees the whole object or none of it, whatever
happens to the writer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ValidationError

from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError, UnreadableError, passes_by_itself
from regraft_core.logs import get_logger, log_once

WRITING = ".writing-"
"""Begin of the names of files that are being written."""

PASSING_CODES = frozenset(
    {"BadDigest", "IncompleteBody", "OperationAborted", "PriorRequestNotComplete", "RequestTimeout"}
)
"""S3's codes, of any status, for what was broken on its way or met another request (API reference, error responses)."""

log = get_logger(__name__)


class ObjectStore(Protocol):
    """What Regraft needs of an object store."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, which stays as it is."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        ...

    def get_file(self, key: str, path: Path) -> None:
        """Write an object to a file. Raises RegraftError (``object_not_found``) where there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object of this key."""
        ...

    def remove(self, key: str) -> None:
        """Remove an object; where there is none, nothing happens."""
        ...

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """All keys that begin with the prefix, in their order; those behind ``after`` alone where it is given."""
        ...

    def uri(self, key: str) -> str:
        """Return the object's address for other programs."""
        ...


def put_model(store: ObjectStore, key: str, model: BaseModel) -> None:
    """Write a pydantic model as JSON."""
    store.put(key, model.model_dump_json(indent=2).encode())


def get_model[M: BaseModel](store: ObjectStore, key: str, kind: type[M]) -> M | None:
    """Read a pydantic model back, None where there is no such object. Raises UnreadableError."""
    data = store.get(key)
    if data is None:
        return None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise UnreadableError(f"{key!r} in the store cannot be read: {_first(error)}", key=key) from error


def find_model[M: BaseModel](store: ObjectStore, key: str, kind: type[M]) -> M | None:
    """Read a pydantic model back, None where there is none, or one that cannot be read: that is logged once."""
    try:
        return get_model(store, key, kind)
    except UnreadableError as error:
        log_once(log, key, "object is left aside", key=key, reason=error.message)
        return None


def _first(error: ValidationError) -> str:
    first, *more = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(map(str, first["loc"]))
    others = f" (and {len(more)} more)" if more else ""
    return f"{place + ': ' if place else ''}{first['msg']}{others}"


def open_store(url: str, *, endpoint_url: str | None = None) -> ObjectStore:
    """Open the store of an address: ``file:///FOLDER`` or ``s3://BUCKET``."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FileStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, endpoint_url=endpoint_url)
    raise RegraftError(
        f"REGRAFT_STORE_URL is {url!r}; it must be file:///FOLDER or s3://BUCKET", code=Code.SETTING_INVALID
    )


def _missing(key: str) -> RegraftError:
    return RegraftError(f"there is no object {key!r} in the store", code=Code.OBJECT_NOT_FOUND, key=key)


class FileStore:
    """A folder as object store. Keys that would leave it are refused."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts:
            raise ValueError(f"not an object key: {key!r}")
        return self.root.joinpath(*parts)

    @contextlib.contextmanager
    def _replacing(self, key: str) -> Iterator[IO[bytes]]:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with self._replacing(key) as file:
            file.write(data)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file."""
        with self._replacing(key) as file, path.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None

    def get_file(self, key: str, path: Path) -> None:
        """Write an object to a file."""
        try:
            shutil.copyfile(self._path(key), path)
        except FileNotFoundError as error:
            raise _missing(key) from error

    def exists(self, key: str) -> bool:
        """Whether there is an object of this key."""
        return self._path(key).is_file()

    def remove(self, key: str) -> None:
        """Remove an object."""
        self._path(key).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what writers that were killed have left. Only where nobody writes."""
        for left in self.root.rglob(f"{WRITING}*"):
            left.unlink(missing_ok=True)

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """All keys that begin with the prefix and come after ``after``, in their order."""
        folder = prefix.rpartition("/")[0]
        yield from self._walk(folder + "/" if folder else "", prefix, after)

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[str]:
        """Yield the keys below a folder, directory by directory; what lies wholly before ``after`` is not read."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = sorted(
                    entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
                    for entry in entries
                    if not entry.name.startswith(WRITING)
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in found:
            key = folder + name
            if name.endswith("/"):
                is_wanted = key.startswith(prefix) or prefix.startswith(key)
                if is_wanted and (key > after or after.startswith(key)):
                    yield from self._walk(key, prefix, after)
            elif key.startswith(prefix) and key > after:
                yield key

    def uri(self, key: str) -> str:
        """Return the object's file:// address."""
        return self._path(key).absolute().as_uri()


def status_of(response: Mapping[str, Any]) -> int:
    """Return the status of an answer of S3 as boto3 gives it; 503 where it says none."""
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 503)
    return status


def passes(response: Mapping[str, Any]) -> bool:
    """Whether what an answer of S3 refuses may be tried again as it is."""
    return passes_by_itself(status_of(response)) or _code_of(response) in PASSING_CODES


def _code_of(response: Mapping[str, Any]) -> str:
    code: str = response.get("Error", {}).get("Code", "")
    return code


def _refused(key: str, response: Mapping[str, Any], error: Exception) -> RegraftError:
    """Return what an answer of S3 means."""
    status = status_of(response)
    if status == 404:
        return _missing(key)
    if passes(response):
        said = f"{status} {_code_of(response)}".rstrip()
        return TemporaryError(f"the object store answers {said} for {key!r}", code=Code.STORE_BUSY)
    return RegraftError(f"the object store refuses {key!r}: {error}", code=Code.STORE_REFUSED)


class S3Store:
    """A bucket. Credentials and region come from where boto3 looks for them."""

    def __init__(self, bucket: str, *, endpoint_url: str | None = None, client: Any = None) -> None:
        self.bucket = bucket
        self._client = client or self.connect(endpoint_url)

    @staticmethod
    def connect(endpoint_url: str | None) -> Any:
        """Return boto3's client, with credentials and region from where it looks for them."""
        import boto3  # noqa: PLC0415  (only images that talk to S3 have it)
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 5},
            s3={"addressing_style": "path" if endpoint_url else "auto"},
        )
        return boto3.client("s3", endpoint_url=endpoint_url, config=config)

    @contextlib.contextmanager
    def _calling(self, key: str) -> Iterator[None]:
        from boto3.exceptions import Boto3Error  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            yield
        except ClientError as error:
            raise _refused(key, error.response, error) from error
        except (BotoCoreError, Boto3Error) as error:
            raise TemporaryError(f"the object store cannot be reached: {error}", code=Code.STORE_UNREACHABLE) from error

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with self._calling(key):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large."""
        # `upload_file` would wrap the answer of a store that refuses, and can lose it on the way.
        with self._calling(key), path.open("rb") as file:
            self._client.upload_fileobj(file, self.bucket, key)

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        try:
            with self._calling(key):
                body: bytes = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                return body
        except RegraftError as error:
            if error.code == Code.OBJECT_NOT_FOUND:
                return None
            raise

    def get_file(self, key: str, path: Path) -> None:
        """Write an object to a file."""
        with self._calling(key):
            self._client.download_file(self.bucket, key, str(path))

    def exists(self, key: str) -> bool:
        """Whether there is an object of this key."""
        try:
            with self._calling(key):
                self._client.head_object(Bucket=self.bucket, Key=key)
        except RegraftError as error:
            if error.code == Code.OBJECT_NOT_FOUND:
                return False
            raise
        return True

    def remove(self, key: str) -> None:
        """Remove an object."""
        with self._calling(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """All keys that begin with the prefix and come after ``after``, in their order."""
        with self._calling(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=after):
                yield from (item["Key"] for item in page.get("Contents", ()))

    def uri(self, key: str) -> str:
        """Return the object's s3:// address."""
        return f"s3://{self.bucket}/{key}"
