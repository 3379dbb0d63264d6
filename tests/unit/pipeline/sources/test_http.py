from __future__ import annotations

import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from regraft_core.errors import SourceError
from regraft_pipeline.sources import http as source
from regraft_pipeline.sources.http import Fetched, Limits, fetch, is_public

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


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.01)


def download(url: str, tmp_path: Path, *, allow: tuple[str, ...] = ("127.0.0.1",), limits: Limits = LIMITS) -> Fetched:
    return fetch(url, tmp_path / "file", limits=limits, allow_private_hosts=allow, progress=lambda share, message: None)


def refused(url: str, tmp_path: Path, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        download(url, tmp_path, **options)
    return caught.value


def test_a_file_is_written_and_known_by_its_hash(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV)
    fetched = download(f"{server.url}/a.csv?x=1#part", tmp_path)
    assert fetched == Fetched(hashlib.sha256(CSV).hexdigest(), len(CSV), f"{server.url}/a.csv?x=1")
    assert (tmp_path / "file").read_bytes() == CSV
    assert server.seen == ["/a.csv?x=1"]


def test_progress_tells_the_share_where_the_length_is_known(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV)
    shares: list[float | None] = []
    fetch(
        f"{server.url}/a.csv",
        tmp_path / "file",
        limits=LIMITS,
        allow_private_hosts=["*"],
        progress=lambda share, message: shares.append(share),
    )
    assert shares[-1] == 1.0


def test_a_chunked_file_is_put_together(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (CSV[:5], CSV[5:]):
            handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    server.answers["/a.csv"] = answer
    assert download(f"{server.url}/a.csv", tmp_path).sha256 == hashlib.sha256(CSV).hexdigest()


def test_a_compressed_file_is_unpacked(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(gzip.compress(CSV), Content_Encoding="gzip")
    download(f"{server.url}/a.csv", tmp_path)
    assert (tmp_path / "file").read_bytes() == CSV


def test_a_small_compressed_answer_cannot_become_too_large(server: Server, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    server.answers["/a.csv"] = lambda handler: handler.send(bomb, Content_Encoding="gzip")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_too_large"
    assert (tmp_path / "file").stat().st_size <= LIMITS.max_bytes


def test_half_a_compressed_file_is_truncated(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(gzip.compress(CSV)[:-9], Content_Encoding="gzip")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_truncated"


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_an_encoding_that_cannot_be_read_is_refused(server: Server, tmp_path: Path, encoding: str) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV, Content_Encoding=encoding)
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (404, "source_not_found", 1),
        (410, "source_not_found", 1),
        (403, "source_http_error", 1),
        (204, "source_http_error", 1),
        (500, "source_http_error", 2),
        (503, "source_http_error", 2),
        (429, "source_http_error", 2),
    ],
)
def test_a_status_has_its_code_and_is_retried_only_where_it_can_pass(
    server: Server, tmp_path: Path, status: int, code: str, attempts: int
) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", status)
    error = refused(f"{server.url}/a.csv", tmp_path)
    assert error.code == code
    assert error.details["http_status"] == status
    assert len(server.seen) == attempts


def test_what_passes_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV, 503 if len(server.seen) == 1 else 200)
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)


def test_redirects_are_followed_and_the_last_address_is_told(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 302, Location="b.csv")
    server.answers["/b.csv"] = lambda handler: handler.send(b"", 308, Location=f"{server.url}/c.csv")
    server.answers["/c.csv"] = lambda handler: handler.send(CSV)
    assert download(f"{server.url}/a.csv", tmp_path).final_url == f"{server.url}/c.csv"


def test_a_redirect_loop_ends(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 302, Location="/a.csv")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_too_many_redirects"
    assert len(server.seen) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://u:p@127.0.0.1/a"])
def test_a_redirect_is_checked_like_the_first_address(server: Server, tmp_path: Path, location: str) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 302, Location=location)
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_url_invalid"


def test_a_redirect_to_a_private_address_is_refused(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(
        b"", 302, Location=f"http://localhost:{server.server_port}/b.csv"
    )
    error = refused(f"{server.url}/a.csv", tmp_path, allow=("127.0.0.1",))
    assert error.code == "source_forbidden_address"
    assert server.seen == ["/a.csv"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a.csv",
        "bootstrap:passwords",
        "//example.org/a.csv",
        "a.csv",
        "",
        "http://",
        "http://user:secret@example.org/a.csv",
        "http://example.org:99999/a.csv",
        "http://exa mple.org\n/a.csv",
    ],
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    error = refused(url, tmp_path)
    assert error.code == "source_url_invalid"
    assert "secret" not in error.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"])
def test_this_machine_is_refused_under_all_its_names(server: Server, tmp_path: Path, host: str) -> None:
    error = refused(f"http://{host}:{server.server_port}/a.csv", tmp_path, allow=())
    assert error.code == "source_forbidden_address"
    assert server.seen == []


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [(("localhost",), True), (("LOCALHOST",), True), (("*",), True), (("local*",), True), (("*.localhost",), False)],
)
def test_a_listed_host_may_be_private(server: Server, tmp_path: Path, patterns: tuple[str, ...], allowed: bool) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV)
    url = f"http://localhost:{server.server_port}/a.csv"
    if allowed:
        assert download(url, tmp_path, allow=patterns).bytes == len(CSV)
    else:
        assert refused(url, tmp_path, allow=patterns).code == "source_forbidden_address"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("10.0.0.1", False),
        ("172.16.5.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("127.8.8.8", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("2606:2800:220:1::1", True),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_private_reserved_and_multicast_addresses_are_not_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def test_the_proxy_of_the_environment_is_not_asked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.answers["/a.csv"] = lambda handler: handler.send(CSV)
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)


def test_a_name_that_is_none_is_unreachable(tmp_path: Path) -> None:
    assert refused("http://no-such-host.invalid/a.csv", tmp_path).code == "source_unreachable"


def test_a_port_that_nobody_listens_on_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}/a.csv", tmp_path).code == "source_unreachable"


def test_a_body_that_ends_early_is_truncated_and_tried_again(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send(CSV[:9], Content_Length=str(len(CSV)))
        handler.close_connection = True

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_truncated"
    assert len(server.seen) == 2


def test_what_is_no_http_is_told(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"220 mail.example.org ESMTP\r\n\r\n")

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"


def test_silence_in_the_middle_is_a_timeout(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send(CSV[:9], Content_Length=str(len(CSV)))
        time.sleep(0.8)

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, attempts=1)).code == "source_timeout"


def test_a_server_that_drips_meets_the_deadline_of_the_whole(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send(b"", Content_Length="1000")
        for _ in range(50):
            handler.wfile.write(b"a")
            time.sleep(0.05)

    server.answers["/a.csv"] = answer
    began = time.monotonic()
    error = refused(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, total_seconds=0.5))
    assert error.code == "source_timeout"
    assert time.monotonic() - began < 1.5


def test_a_declared_length_over_the_limit_is_refused_at_once(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", Content_Length="5000000000")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_too_large"


def test_an_endless_stream_is_cut_at_the_limit(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(CSV * 100)

    server.answers["/a.csv"] = answer
    error = refused(f"{server.url}/a.csv", tmp_path)
    assert error.code == "source_too_large"
    assert error.details["limit"] == LIMITS.max_bytes
    assert (tmp_path / "file").stat().st_size <= LIMITS.max_bytes
    assert len(server.seen) == 1
