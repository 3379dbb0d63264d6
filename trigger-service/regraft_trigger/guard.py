"""Who may ask for a run."""

from __future__ import annotations

import secrets

from fastapi import Request
from pydantic import SecretStr

from regraft_core.errors import UnauthorizedError
from regraft_trigger.problems import ForbiddenError


def check_token(expected: SecretStr | None, given: str) -> None:
    """Return where no token is configured or the right one is given. Raises UnauthorizedError."""
    if expected is None:
        return
    if not secrets.compare_digest(given.encode(errors="replace"), expected.get_secret_value().encode()):
        raise UnauthorizedError("send the header 'Authorization: Bearer TOKEN' with the token that is configured")


def bearer_token(request: Request) -> str:
    """Return the bearer token of a request, empty where it has none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def check_same_site(request: Request) -> None:
    """Raise ForbiddenError where a browser sends this for a page of another site.

    Programs send neither of the two headers; browsers send at least one of them with every POST.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    if foreign:
        raise ForbiddenError("this was sent by a web page of another site; post from a program or from the dashboard")
