"""A port of its own that tells the counts: no Ingress leads to it, and it answers nothing else."""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from regraft_core.logs import get_logger
from regraft_inference.fit.counter import COUNTERS

PATH = "/counts"

log = get_logger(__name__)


class _Handler(BaseHTTPRequestHandler):
    told: threading.Event
    timeout = 5.0
    protocol_version = "HTTP/1.0"
    server_version, sys_version = "regraft", ""

    def do_GET(self) -> None:
        if self.path != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = COUNTERS.told().model_dump_json().encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.told.set()

    def log_message(self, *_: object) -> None:
        """Log nothing: it is asked every minute."""


class CountsServer(ThreadingHTTPServer):
    """Answers in threads of its own, as long as the process lives."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self._told = threading.Event()
        super().__init__((host, port), type("Handler", (_Handler,), {"told": self._told}))

    def linger(self, seconds: float) -> None:
        """Return when the counts have been told once more, or that takes too long: nothing is counted any more."""
        self._told.clear()
        self._told.wait(seconds)


def serve_counts(host: str, port: int) -> CountsServer | None:
    """Tell the counts at a port; None where that cannot be had: predictions go on."""
    try:
        server = CountsServer(host, port)
    except OSError as error:
        log.warning("counts cannot be told", port=port, error=str(error))
        return None
    threading.Thread(target=server.serve_forever, name="counts", daemon=True).start()
    log.info("counts are told", port=server.server_port)
    return server
