"""The web server: every dataset at ``/{name}.csv?seed=N``, and those that cannot be had as they should."""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .making import MAKERS
from .passwords import good

ENDLESS_BYTES = 5_000_000_000

CSV = "text/csv; charset=utf-8"
CONTENT_TYPES = {
    "html_page": "text/html; charset=utf-8",
    "json_document": "application/json",
    "binary": "application/octet-stream",
}

BROKEN_TRANSPORTS = {
    "not_found": "The server answers 404.",
    "endless": f"The server sends {ENDLESS_BYTES:,} bytes without telling how many will come.",
    "truncated": "The connection closes in the middle of the file.",
    "redirect_loop": "The address redirects to itself.",
}
"""Names of datasets that cannot be had as they should, and why."""


class DatasetServer(ThreadingHTTPServer):
    """Serves all datasets; ``asked`` holds the paths that were asked for, in their order."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away: those who cut an endless stream do."""


class _Handler(BaseHTTPRequestHandler):
    server: DatasetServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.server.asked.append(self.path)
        name = address.path.removeprefix("/").removesuffix(".csv")
        seed = parse_qs(address.query).get("seed", ["1"])[0]
        if address.path == "/":
            self._send(_index(), "text/html; charset=utf-8")
        elif name == "redirect_loop":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", self.path)
            self.end_headers()
        elif name == "endless":
            self._send_endless()
        elif name == "truncated":
            body = good(int(seed))
            self._start(CSV, len(body))
            self.wfile.write(body[: len(body) // 2])
        elif name in MAKERS and seed.isdecimal():
            self._send(MAKERS[name](int(seed)), CONTENT_TYPES.get(name, CSV))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _start(self, content_type: str, length: int | None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, body: bytes, content_type: str) -> None:
        self._start(content_type, len(body))
        self.wfile.write(body)

    def _send_endless(self) -> None:
        self._start(CSV, None)
        block = good(1).removeprefix(b"Password,Times\n") * 80
        self.wfile.write(b"Password,Times\n")
        for _ in range(math.ceil(ENDLESS_BYTES / len(block))):
            self.wfile.write(block)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the base class)
        """Log nothing; who serves datasets in-process reads ``asked``."""


def _index() -> bytes:
    told = {name: (make.__doc__ or "") for name, make in MAKERS.items()} | BROKEN_TRANSPORTS
    items = [
        f'<li><a href="/{name}.csv?seed=1">{name}</a>: {html.escape(description)}</li>'
        for name, description in told.items()
    ]
    return f"<!doctype html>\n<title>Datasets</title>\n<ul>\n{'\n'.join(items)}\n</ul>\n".encode()


@contextmanager
def serving(host: str = "127.0.0.1", port: int = 0) -> Iterator[DatasetServer]:
    """Serve the datasets from a thread; port 0 takes a free one."""
    with DatasetServer(host, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
