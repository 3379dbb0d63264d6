"""A web server of which a test writes every answer, and downloads from it."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from regraft_core.errors import SourceError
from regraft_pipeline.sources import Fetched, Limits, Site, fetch

CSV = b"Password,Times\na,1.0\nb,0.0\n"
LIMITS = Limits(max_bytes=10_000, connect_seconds=2, read_seconds=0.3, total_seconds=5, attempts=2)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        self.server.answers[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (named by its base)
        pass

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Callable[[Handler], None]] = {}
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that go away in the middle are what is tested


def download(
    url: str, tmp_path: Path, *, allow: tuple[str, ...] = ("127.0.0.1",), limits: Limits = LIMITS, **site: Any
) -> Fetched:
    where = Site(limits=limits, allow_private_hosts=allow, **site)
    return fetch(url, tmp_path / "file", site=where, progress=lambda share, message: None)


def refused(url: str, tmp_path: Path, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        download(url, tmp_path, **options)
    return caught.value


def raw(text: bytes) -> Callable[[Handler], None]:
    """An answer that is these bytes, after which the connection ends."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return answer


def first(times: int, answer: Callable[[Handler], None], then: Callable[[Handler], None]) -> Callable[[Handler], None]:
    count = iter(range(1_000_000))
    return lambda handler: answer(handler) if next(count) < times else then(handler)
