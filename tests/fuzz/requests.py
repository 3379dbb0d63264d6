"""Requests of strangers to a real predictor, bodies and raw bytes: each is answered or refused, and none breaks it."""

from __future__ import annotations

import json
import random
import re
import socket
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.target import Target, WrongError
from tests.unit.inference.bundles import write_heart_bundle, write_passwords_bundle
from tests.unit.inference.serving import serving

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

PATHS = (
    "/predict",
    "/heart-disease/predict",
    "/invocations",
    "/v1/models/passwords:predict",
    "/v2/models/passwords/infer",
    "/v2/models/heart-disease/versions/1/infer",
)

PATIENT = {"age": 60, "sex": 1, "oldpeak": 2.5}
TENSOR = {"name": "Password", "shape": [1], "datatype": "BYTES", "data": ["a"]}
BODIES = (
    {"Password": ["a", "b"]},
    PATIENT,
    {"dataframe_split": {"columns": ["Password"], "data": [["a"]]}},
    {"dataframe_records": [PATIENT, PATIENT], "probabilities": True},
    {"instances": ["a", "b"]},
    {"inputs": [TENSOR], "id": "one"},
    [["a"], ["b"]],
)
WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Inference-Header-Content-Length: 9\r\n",
    b"null",
    b"NaN",
    b"[[[[",
    b'"\\ud800"',
)
SECONDS = 20.0
"""How long an answer may take that has to come."""

QUIET_SECONDS = 0.2
"""After so long without an answer to bytes that may be no request, none is waited for."""


_STARTED = ExitStack()


@cache
def port() -> int:
    """Start a predictor of two tasks, which lasts until it is stopped, and return its port."""
    folder = Path(_STARTED.enter_context(TemporaryDirectory()))
    write_passwords_bundle(folder / "passwords")
    write_heart_bundle(folder / "heart-disease")
    return _STARTED.enter_context(serving(folder))


def stop() -> None:
    """Stop the predictor, where one was started."""
    port.cache_clear()
    _STARTED.close()


def statuses(data: bytes, *, patience: float = SECONDS) -> list[int]:
    """Send bytes on a connection of their own, and return the statuses of the answers."""
    received = b""
    with socket.create_connection(("127.0.0.1", port()), timeout=SECONDS) as connection, suppress(OSError):
        connection.sendall(data)
        connection.settimeout(patience)
        while part := connection.recv(1 << 16):
            received += part
    return _statuses_in(received)


def _statuses_in(received: bytes) -> list[int]:
    found, at = [], 0
    while (head := STATUS.match(received, at)) is not None:
        found.append(int(head[1]))
        length = LENGTH.search(head[2])
        at = head.end() + (int(length[1]) if length else 0)
    if at < len(received):
        raise WrongError(f"what is no answer follows: {received[at : at + 100]!r}")
    return found


def _check(data: bytes) -> None:
    if failed := [status for status in statuses(data, patience=QUIET_SECONDS) if status >= 500 and status != 505]:
        raise WrongError(f"answered by {failed}")
    if statuses(_request("/predict", b'{"Password": ["a"]}', last=True)) != [200]:
        raise WrongError("the predictor does not answer any more")


def _framing(source: random.Random) -> bytes:
    return b"".join(
        _request(source.choice(PATHS), _body(source), chunked=source.random() < 0.3, last=last)
        for last in (False, True)
    )


def _request(path: str, body: bytes, *, chunked: bool = False, last: bool = False) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n".encode()
    head += b"Connection: close\r\n" if last else b""
    if not chunked:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def _body(source: random.Random) -> bytes:
    return json.dumps(source.choice(BODIES)).encode()


def _check_body(body: bytes) -> None:
    for path in PATHS:
        found = statuses(_request(path, body, last=True))
        if len(found) != 1 or found[0] >= 500:
            raise WrongError(f"answered by {found} at {path}")


REQUESTS = (
    Target("requests", _body, _check_body, WORDS),
    Target("framings", _framing, _check, WORDS),
)
"""All that is fuzzed of the predictor."""
