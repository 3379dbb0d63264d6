"""Both services while others break a bound: those get their refusal, and good requests go on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.inference.bundles import write_passwords_bundle
from tests.unit.inference.serving import serving
from tests.unit.trigger.serving import running
from tests.waiting import PATIENCE

CONNECTIONS = 12
ATTACKERS = 2 * CONNECTIONS
LIMITS: dict[str, Any] = {"max_head_bytes": 4096, "request_seconds": 0.4, "max_connections": CONNECTIONS}


@dataclass(frozen=True)
class Service:
    """A service with small limits, a request that it answers with 200, and where bodies go."""

    port: int
    good: bytes
    path: bytes

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


@pytest.fixture(scope="module", params=["predictor", "trigger service"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bounds")
    if request.param == "predictor":
        write_passwords_bundle(folder / "passwords", answer=1.5)
        with serving(folder, **LIMITS) as port:
            body = b'{"Password": ["a"]}'
            good = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            yield Service(port, good, b"/predict")
    else:
        with running(folder, **LIMITS) as found:
            yield Service(found.client.base_url.port or 0, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", b"/trigger")


def answer_of(connection: socket.socket) -> bytes:
    """Return an answer, empty where the connection has been taken away."""
    found = b""
    try:
        while not found.endswith(b"}") and (part := connection.recv(65536)):
            found += part
    except ConnectionError:
        pass
    return found


def head(service: Service, length: int) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n" % (service.path, length)


# What is sent, and the statuses that are right: a connection that makes room before its time is over gets none.
BOUNDS: dict[str, tuple[Callable[[Service], bytes], set[bytes | None]]] = {
    "a head without end": (lambda _: b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000, {b"431"}),
    "half a head": (lambda service: head(service, 5), {b"408"}),
    "half a body": (lambda service: head(service, 5) + b"\r\nhe", {b"408"}),
    "too large a body": (lambda service: head(service, 1 << 40) + b"\r\nhello", {b"413"}),
    "no request": (lambda _: b"", {None, b"408"}),
}


@pytest.mark.parametrize(("sent", "statuses"), BOUNDS.values(), ids=BOUNDS)
def test_others_go_on_while_a_bound_is_broken(
    service: Service, sent: Callable[[Service], bytes], statuses: set[bytes | None]
) -> None:
    """There are twice as many attackers as connections may be open; who waits longest makes room."""
    with ExitStack() as stack:
        attackers = []
        for _ in range(ATTACKERS):
            attackers.append(stack.enter_context(service.connect()))
            attackers[-1].sendall(sent(service))
            with service.connect() as good:
                for _ in range(2):
                    good.sendall(service.good)
                    assert answer_of(good).startswith(b"HTTP/1.1 200")
        for attacker in attackers:
            assert next(iter(answer_of(attacker).split()[1:2]), None) in statuses
    with service.connect() as good:
        good.sendall(service.good)
        assert answer_of(good).startswith(b"HTTP/1.1 200")
