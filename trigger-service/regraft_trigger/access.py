"""Who is answered: by which name the service was asked for (DNS rebinding), and, with a read token, by whom.

``/health``, ``/ready`` and ``/metrics`` are open: those who watch the service know neither. HEAD is answered as GET is.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from regraft_core.codes import Code
from regraft_core.errors import UnauthorizedError
from regraft_trigger.guard import bearer_token
from regraft_trigger.problems import ForbiddenError
from regraft_trigger.settings import TriggerSettings

OPEN = frozenset({"/health", "/ready", "/metrics"})
SIGN_IN = "/page/sign-in"
COOKIE = "regraft_read"
COOKIE_SECONDS = 30 * 24 * 3600

type ShowSignIn = Callable[[Request], Response | None]
"""Makes the page that asks for the token, None where the client would rather have problem details."""


class Access:
    """ASGI middleware that lets a request through, or raises what it is refused with."""

    def __init__(self, app: ASGIApp, settings: TriggerSettings, show_sign_in: ShowSignIn) -> None:
        self.app = app
        self._settings = settings
        self._show_sign_in = show_sign_in
        self._patterns = [pattern.lower() for pattern in settings.allowed_hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. Raises ForbiddenError (``host_not_allowed``), UnauthorizedError."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        is_head = scope["method"] == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}  # the server sends no body
        answer = None if path in OPEN else self._refuse(Request(scope), path)
        if answer is None and is_head and path == "/events":
            answer = Response(media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        await (answer or self.app)(scope, receive, send)

    def _refuse(self, request: Request, path: str) -> Response | None:
        for host in request.headers.getlist("host"):
            if not self._is_allowed(_hostname(host)):
                known = "REGRAFT_ALLOWED_HOSTS lists the names of this service"
                raise ForbiddenError(f"{known}; {_hostname(host)[:100]!r} is none", code=Code.HOST_NOT_ALLOWED)
        if self._settings.read_token is None or path == SIGN_IN or path.startswith("/static/"):
            return None
        if may_read(self._settings, bearer_token(request)) or knows(self._settings, request.cookies.get(COOKIE, "")):
            return None
        page = self._show_sign_in(request)
        if page is None:
            raise UnauthorizedError("send the header 'Authorization: Bearer TOKEN' with the token for reading")
        return page

    def _is_allowed(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern) for pattern in self._patterns)


def may_read(settings: TriggerSettings, token: str) -> bool:
    """Whether a token is the one for reading, or the one for triggers, which opens everything."""
    tokens = (settings.read_token, settings.trigger_token)
    known = [token.get_secret_value().encode() for token in tokens if token is not None]
    return any(secrets.compare_digest(token.encode(errors="replace"), one) for one in known)


def knows(settings: TriggerSettings, cookie: str) -> bool:
    """Whether a cookie was given to somebody who had the token."""
    return secrets.compare_digest(cookie.encode(errors="replace"), _proof(settings).encode())


def cookie_of(settings: TriggerSettings, *, path: str, is_secure: bool) -> dict[str, Any]:
    """Return the cookie for somebody who has the token: no script sees it, no other site's page sends it."""
    named: dict[str, Any] = {"key": COOKIE, "value": _proof(settings), "max_age": COOKIE_SECONDS, "path": path or "/"}
    return named | {"httponly": True, "samesite": "strict", "secure": is_secure}


def _proof(settings: TriggerSettings) -> str:
    """Return what only who knows the token can make, and what does not tell it."""
    token = "" if settings.read_token is None else settings.read_token.get_secret_value()
    return hmac.new(token.encode(), b"may read", "sha256").hexdigest()


def _hostname(host: str) -> str:
    """Return the name of a ``Host`` header without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0].removeprefix("[")
    return name.partition(":")[0].rstrip(".")
