"""Datasets that were sent to the trigger service, which has put them into the store by their SHA-256."""

from __future__ import annotations

from pathlib import Path

from regraft_core import layout
from regraft_core.addresses import uploaded_sha256
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, SourceError
from regraft_pipeline.sources.source import Fetched, Progress, Site, shown


def fetch(address: str, path: Path, *, site: Site, progress: Progress) -> Fetched:
    """Bring what was uploaded. Raises SourceError (``source_not_found``) where the store has it no more."""
    sha256 = uploaded_sha256(address)
    if sha256 is None or site.store is None:
        raise SourceError(f"{shown(address)!r} names no upload", code=Code.SOURCE_URL_INVALID)
    try:
        site.store.get_file(layout.raw_dataset(sha256), path)
    except RegraftError as error:
        if error.code != Code.OBJECT_NOT_FOUND:
            raise
        raise SourceError(
            f"what was uploaded, {sha256[:12]}, is not in the store any more", code=Code.SOURCE_NOT_FOUND
        ) from error
    size = path.stat().st_size
    progress(1.0, f"{size:,} bytes")
    return Fetched(sha256, size, address)
