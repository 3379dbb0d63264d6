"""Datasets at s3://BUCKET/KEY, read with the site's own credentials: only of buckets that a setting lists."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from regraft_core.addresses import in_buckets, redacted_text, s3_parts
from regraft_core.codes import Code
from regraft_core.codings import CodingError, CutShortError, unpacked
from regraft_core.errors import SourceError, TemporaryError
from regraft_core.stores.objects import S3Store, passes, status_of
from regraft_pipeline.sources.source import Fetched, PassingError, Patience, Progress, Site, too_large
from regraft_pipeline.sources.words import words_of

CHUNK_BYTES = 1 << 16


def fetch(address: str, path: Path, *, site: Site, progress: Progress) -> Fetched:
    """Download an object. Raises SourceError, ``source_forbidden_address`` for buckets that are not listed."""
    bucket, key = s3_parts(address)
    if not bucket or not key:
        raise SourceError(f"{address!r} is not s3://BUCKET/KEY", code=Code.SOURCE_URL_INVALID)
    if not in_buckets(bucket, key, site.buckets):
        raise SourceError(
            f"{address} is in no bucket that REGRAFT_DATA_BUCKETS lists",
            code=Code.SOURCE_FORBIDDEN_ADDRESS,
            host=bucket,
        )
    client = S3Store.connect(site.s3_endpoint_url)
    patience = Patience(site.limits, progress)
    while True:
        try:
            with _naming_errors(address):
                return _attempt(client, bucket, key, path, site=site, progress=progress, deadline=patience.deadline)
        except PassingError as error:
            patience.wait(error)


def _attempt(
    client: Any, bucket: str, key: str, path: Path, *, site: Site, progress: Progress, deadline: float
) -> Fetched:
    """Read the object in one request: what two would read may be of two objects."""
    address, limit = f"s3://{bucket}/{key}", site.limits.max_bytes
    found = client.get_object(Bucket=bucket, Key=key)
    declared = int(found["ContentLength"])
    if declared > limit:
        raise too_large(address, limit)
    digest, size, received = hashlib.sha256(), 0, 0

    def chunks() -> Iterator[bytes]:
        nonlocal received
        for chunk in found["Body"].iter_chunks(CHUNK_BYTES):
            received += len(chunk)
            if time.monotonic() > deadline:
                raise PassingError(f"{address} did not come in time", code=Code.SOURCE_TIMEOUT)
            progress(min(received / declared, 1.0) if declared else None, f"{received:,} bytes")
            yield chunk

    with path.open("wb") as file:
        for chunk in unpacked(chunks(), found.get("ContentEncoding") or ""):
            size += len(chunk)
            if size > limit:
                raise too_large(address, limit)
            file.write(chunk)
            digest.update(chunk)
    if received != declared:
        raise PassingError(
            f"{address} says it has {declared:,} bytes, and {received:,} came", code=Code.SOURCE_TRUNCATED
        )
    return Fetched(digest.hexdigest(), size, address)


@contextmanager
def _naming_errors(address: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        status = status_of(error.response)
        told = error.response.get("Error", {})
        words = words_of(f"{told.get('Code', '')}: {told.get('Message', '')}".encode(), redacted_text)
        if status == 404:
            raise SourceError(
                f"there is nothing at {address}: {words!r}", code=Code.SOURCE_NOT_FOUND, http_status=status
            ) from error
        message = f"{address}: the object store answers {status}: {words!r}"
        if passes(error.response):
            raise PassingError(
                message, code=Code.SOURCE_HTTP_ERROR, http_status=status, patient=status in (429, 503)
            ) from error
        raise SourceError(message, code=Code.SOURCE_HTTP_ERROR, http_status=status) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise SourceError(f"{address}: this site has no credentials for S3", code=Code.SOURCE_HTTP_ERROR) from error
    except BotoCoreError as error:
        why = redacted_text(str(error))
        raise PassingError(f"{address} cannot be read: {why}", code=Code.SOURCE_UNREACHABLE) from error
    except CutShortError as error:
        raise PassingError(f"{address}: {error}", code=Code.SOURCE_TRUNCATED) from error
    except CodingError as error:
        raise SourceError(f"{address}: {error}", code=Code.SOURCE_HTTP_ERROR) from error
    except OSError as error:
        raise TemporaryError(f"the dataset cannot be written: {error.strerror}", code=Code.NO_ROOM) from error
