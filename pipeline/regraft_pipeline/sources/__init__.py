"""Where datasets come from. A source is added by a module and a line in the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from regraft_core.codes import Code
from regraft_core.errors import SourceError
from regraft_pipeline.sources import http, s3, upload
from regraft_pipeline.sources.source import Fetched, Limits, Progress, Site, Source, shown

__all__ = ["SOURCES", "Fetched", "Limits", "Progress", "Site", "Source", "fetch"]

SOURCES: Mapping[str, Source] = {
    "http": http.fetch,
    "https": http.fetch,
    "s3": s3.fetch,
    "upload": upload.fetch,
}
"""What fetches an address, by its scheme."""


def fetch(address: str, path: Path, *, site: Site, progress: Progress) -> Fetched:
    """Download a dataset to a file. Raises SourceError with a ``source_...`` code."""
    source = SOURCES.get(address.partition(":")[0].lower())
    if source is None:
        raise SourceError(
            f"{shown(address)!r} is no address of a dataset: http://, https:// and s3:// are",
            code=Code.SOURCE_URL_INVALID,
        )
    return source(address, path, site=site, progress=progress)
