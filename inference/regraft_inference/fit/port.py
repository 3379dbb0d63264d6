"""A port of its own that tells the counts, and the rows that a task's file asks to keep: no Ingress leads to it.

::

    GET /counts           what has been counted since the process began
    GET /kept?after=N     rows that were kept; blocks up to N are kept elsewhere now, and go
    POST /answers         what the version that serves answers to inputs whose outcome is told; counted nowhere
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError

from regraft_core.errors import RegraftError
from regraft_core.fit.kept import InputsAnswered, InputsAsked
from regraft_core.logs import get_logger
from regraft_inference.fit.counter import COUNTERS
from regraft_inference.fit.keeper import KEPT

COUNTS, KEPT_ROWS, ANSWERS = "/counts", "/kept", "/answers"

MOST_BYTES = 16 << 20
"""Largest body that is read."""

LOOK_SECONDS = 0.05
"""How often it is looked, at the end, whether the last rows have been fetched."""

type Answers = Callable[[InputsAsked], InputsAnswered]
"""Answers to inputs. Raises RegraftError."""

log = get_logger(__name__)


class _Handler(BaseHTTPRequestHandler):
    told: threading.Event
    answers: Answers
    timeout = 5.0
    protocol_version = "HTTP/1.0"
    server_version, sys_version = "regraft", ""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        after = parse_qs(query).get("after", ["-1"])[-1]
        if path == COUNTS:
            self._answer(COUNTERS.told())
            self.told.set()
        elif path == KEPT_ROWS and re.fullmatch("-1|[0-9]{1,15}", after):
            self._answer(KEPT.told(COUNTERS.instance, int(after)))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != ANSWERS or not length.isdigit() or int(length) > MOST_BYTES:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            self._answer(self.answers(InputsAsked.model_validate_json(self.rfile.read(int(length)))))
        except ValidationError:
            self.send_error(HTTPStatus.BAD_REQUEST)
        except RegraftError as error:
            self._send(error.status, json.dumps(error.problem()).encode())

    def _answer(self, told: BaseModel) -> None:
        self._send(HTTPStatus.OK, told.model_dump_json().encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: it is asked every minute."""


class CountsServer(ThreadingHTTPServer):
    """Answers in threads of its own, as long as the process lives."""

    daemon_threads = True

    def __init__(self, host: str, port: int, answers: Answers) -> None:
        self._told = threading.Event()
        attributes = {"told": self._told, "answers": staticmethod(answers)}
        super().__init__((host, port), type("Handler", (_Handler,), attributes))

    def linger(self, seconds: float) -> None:
        """Return when the counts have been told once more and all rows are fetched, or that takes too long.

        Nothing is counted any more.
        """
        self._told.clear()
        end = time.monotonic() + seconds
        self._told.wait(seconds)
        while not KEPT.is_empty and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)


def serve_counts(host: str, port: int, answers: Answers) -> CountsServer | None:
    """Tell the counts at a port; None where that cannot be had: predictions go on."""
    try:
        server = CountsServer(host, port, answers)
    except OSError as error:
        log.warning("counts cannot be told", port=port, error=str(error))
        return None
    threading.Thread(target=server.serve_forever, name="counts", daemon=True).start()
    log.info("counts are told", port=server.server_port)
    return server
