"""Pages of other origins (CORS): whose may ask from a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from regraft_core.codes import Code
from regraft_core.errors import PROBLEM_JSON, BadRequestError

TOLD = ("Regraft-Model-Version", "Regraft-Data-Sha256", "Regraft-Request-Id", "Retry-After")
"""Headers of an answer that a page may read."""


class Cors(CORSMiddleware):
    """Starlette's, with patterns of origins, and with what it refuses as problem details."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=["*"] if "*" in origins else (),
            allow_origin_regex="|".join(map(_pattern, origins)),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=TOLD,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks whether a page may ask."""
        found = super().preflight_response(request_headers)
        if found.status_code < 400:
            return found
        error = BadRequestError(
            f"{bytes(found.body).decode()}; REGRAFT_CORS_ORIGINS lists the origins whose pages may ask",
            code=Code.ORIGIN_NOT_ALLOWED,
        )
        kept = {name: value for name, value in found.headers.items() if not name.startswith("content-")}
        return JSONResponse(error.problem(), error.status, kept, media_type=PROBLEM_JSON)


def _pattern(origin: str) -> str:
    """Return the regular expression of an origin, in which ``*`` is any part of a host name, or any port."""
    return "[A-Za-z0-9.-]*".join(map(re.escape, origin.split("*")))
