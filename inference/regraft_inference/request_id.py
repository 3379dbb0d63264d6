"""The id of a request, by which what really happened can be told later: the client's own, or else one of ours."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from itertools import count

ANSWER_HEADER = b"regraft-request-id"
CLIENT_HEADER = b"x-request-id"

WELL_FORMED = re.compile(rb"[!-~]{1,128}")
"""An id of a client that is taken: 1 to 128 visible ASCII characters."""

_PROCESS = b"%s-" % secrets.token_hex(8).encode()
_numbers = count(1)


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the client's ``X-Request-Id`` where there is just one and it is well-formed, else a new id."""
    sent = [value for name, value in headers if name == CLIENT_HEADER]
    if len(sent) == 1 and WELL_FORMED.fullmatch(sent[0]):
        return sent[0]
    return b"%s%d" % (_PROCESS, next(_numbers))  # of all ways to write it the one that costs least
