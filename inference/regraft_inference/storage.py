"""Where a bundle comes from when nobody has mounted one: a folder in S3, named by ``STORAGE_URI``.

In a cluster KServe fetches the bundle and this is not used. Address of the server, credentials and region are the
environment variables that all S3 clients know: ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
``AWS_SESSION_TOKEN``, ``AWS_DEFAULT_REGION``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from regraft_core.codes import Code
from regraft_core.errors import BundleError, RegraftError
from regraft_core.stores.folders import inside
from regraft_core.stores.objects import S3Store

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Address of the S3 server where it is not AWS; the first that is set counts."""


def fetch(uri: str, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Write all objects below ``s3://BUCKET/PREFIX`` into a folder.

    Raises RegraftError (``setting_invalid``) for an address of another kind, BundleError (``bundle_missing``) where
    there is nothing below it, and what the store raises, which is a TemporaryError where it cannot be reached.
    """
    parts = urlsplit(uri)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not parts.netloc or not prefix:
        raise RegraftError(f"STORAGE_URI is {uri!r}; it must be s3://BUCKET/FOLDER", code=Code.SETTING_INVALID)
    endpoint = next((environment[name] for name in ENDPOINT_VARIABLES if environment.get(name)), None)
    store = S3Store(parts.netloc, endpoint_url=endpoint)
    keys = [key for key in store.keys(f"{prefix}/") if not key.endswith("/")]
    if not keys:
        raise BundleError(f"there is nothing below {uri}", code=Code.BUNDLE_MISSING)
    try:
        paths = {key: inside(folder, key.removeprefix(f"{prefix}/")) for key in keys}
    except RegraftError as error:
        raise BundleError(error.message, code=Code.BUNDLE_FOREIGN_FILE) from error
    for key, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(key, path)
