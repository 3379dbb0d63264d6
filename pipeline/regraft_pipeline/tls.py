"""Which certificates are trusted."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from regraft_core.codes import Code
from regraft_core.errors import RegraftError


def trusted(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what checks certificates: the public authorities, or those of ``SSL_CERT_FILE``, and a site's own.

    Raises RegraftError (``setting_invalid``) where the file of the site's own cannot be read.
    """
    context = httpx.create_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise RegraftError(
                f"REGRAFT_CA_FILE is {str(ca_file)!r}, which holds no certificates in PEM that can be read: {error}",
                code=Code.SETTING_INVALID,
            ) from error
    return context
