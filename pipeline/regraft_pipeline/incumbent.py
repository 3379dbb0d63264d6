"""The bundle of the version in service, for new data to be compared with."""

from __future__ import annotations

from pathlib import Path

from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.logs import get_logger
from regraft_core.stores.folders import Folder
from regraft_inference.bundle import Bundle

log = get_logger(__name__)


def load_incumbent(version: str, uri: str, folder: Path, *, endpoint_url: str | None) -> Bundle | None:
    """Return the bundle at an address; one that cannot be read any more must not lock new data out, and is None.

    Raises TemporaryError where the store does not answer now.
    """
    try:
        Folder.at(uri, endpoint_url=endpoint_url).download(folder)
        return Bundle.load(folder)
    except TemporaryError:
        raise
    except RegraftError as error:
        log.warning("version in service not compared", version=version, reason=error.message)
        return None
