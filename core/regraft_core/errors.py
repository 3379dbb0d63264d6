"""The one hierarchy of errors.

Every error has a stable ``code`` that programs may rely on, an HTTP status and an exit code, and says what is wrong,
where, and what to do. Each can be written as RFC 9457 problem details.
"""

from __future__ import annotations

from typing import Any, ClassVar

from regraft_core.codes import Code

PROBLEM_JSON = "application/problem+json"

PASSING_STATUSES = frozenset({408, 425, 429, 499})
"""Client errors that pass by themselves: too slow, too early, too many (RFC 9110, 8470, 6585), and what MinIO and nginx
say of a connection that broke."""


LASTING_STATUSES = frozenset({501, 505, 506, 508, 510, 511})
"""Errors of a server that say what the request would have to be, or what the server cannot do: the same request fails
again (RFC 9110, 2295, 5842, 2774, 6585)."""


def passes_by_itself(status: int) -> bool:
    """Whether a refusal of this HTTP status makes sense to try again as it is."""
    return (status >= 500 and status not in LASTING_STATUSES) or status in PASSING_STATUSES


class RegraftError(Exception):
    """Base of all errors that Regraft raises on purpose.

    ``details`` go into the problem details as members of their own (column, row, limit, ...).
    """

    code: str = Code.INTERNAL_ERROR
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong inside Regraft"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, code: Code | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details

    def problem(self) -> dict[str, Any]:
        """Return the error as RFC 9457 problem details."""
        return {
            "type": f"urn:regraft:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            **self.details,
        }


class BadRequestError(RegraftError):
    """The request itself is wrong; sending it again changes nothing."""

    code = Code.BAD_REQUEST
    status = 400
    title = "The request is not valid"


class ContractError(BadRequestError):
    """A request that breaks the contract: ``details`` name column, row (0-based) and rule where there is one."""

    code = Code.CONTRACT_BROKEN
    title = "The request breaks the contract"


class UnauthorizedError(RegraftError):
    """A token is configured and the request carries none, or a wrong one."""

    code = Code.UNAUTHORIZED
    status = 401
    title = "A valid bearer token is needed"


class NotFoundError(RegraftError):
    """What was asked for does not exist."""

    code = Code.NOT_FOUND
    status = 404
    title = "Not found"


class ConflictError(RegraftError):
    """What was asked for does not go with how things stand now, such as the end of a run that has ended."""

    code = Code.CONFLICT
    status = 409
    title = "Not possible as things stand"


class KeyReusedError(RegraftError):
    """The idempotency key was sent before with another body."""

    code = Code.IDEMPOTENCY_KEY_REUSED
    status = 422
    title = "The idempotency key stands for another request"


class UnreadableError(RegraftError):
    """An object in the store is damaged, or was written by a release that this one does not know."""

    code = Code.OBJECT_UNREADABLE
    title = "An object in the store cannot be read"


class TooLargeError(RegraftError):
    """The request body is over the size limit."""

    code = Code.REQUEST_TOO_LARGE
    status = 413
    title = "The request is too large"


class UnavailableError(RegraftError):
    """Cannot be done now; trying again after ``retry_after`` seconds makes sense."""

    code = Code.UNAVAILABLE
    status = 503
    title = "Not available now"

    def __init__(self, message: str, *, code: Code | None = None, retry_after: int = 5, **details: Any) -> None:
        super().__init__(message, code=code, **details)
        self.retry_after = retry_after


class SourceError(RegraftError):
    """The dataset cannot be had from its address; the code (``source_not_found``, ...) says why."""

    code = Code.SOURCE_UNUSABLE
    title = "The dataset could not be downloaded"


class BundleError(RegraftError):
    """A bundle is incomplete, damaged, of an unknown format, or does not repeat its golden requests."""

    code = Code.BUNDLE_UNUSABLE
    title = "The bundle cannot be served"


class DeployError(RegraftError):
    """A version did not come into service within its deadline, or not as itself."""

    code = Code.ROLLOUT_FAILED
    title = "The new version did not become ready"


class TemporaryError(RegraftError):
    """What failed can pass by itself: the step may be tried again (exit code 75, ``EX_TEMPFAIL`` of sysexits.h)."""

    code = Code.TEMPORARY
    status = 503
    title = "A temporary failure"
    exit_code = 75
