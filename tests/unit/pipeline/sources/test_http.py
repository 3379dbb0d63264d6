from __future__ import annotations

import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from regraft_core.errors import SourceError
from regraft_pipeline.sources import Fetched, Limits, Site, fetch, source

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
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.001)


def download(
    url: str, tmp_path: Path, *, allow: tuple[str, ...] = ("127.0.0.1",), limits: Limits = LIMITS, **site: Any
) -> Fetched:
    where = Site(limits=limits, allow_private_hosts=allow, **site)
    return fetch(url, tmp_path / "file", site=where, progress=lambda share, message: None)


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
        site=Site(limits=LIMITS, allow_private_hosts=["*"]),
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
    assert len(server.seen) == 11


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "http://u:p@127.0.0.1/a",
        "data:text/csv,Password",
        "javascript:0",
    ],
)
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
        "data:text/csv,Password%2CTimes",
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


def raw(text: bytes) -> Callable[[Handler], None]:
    """An answer that is these bytes, after which the connection ends."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return answer


def first(times: int, answer: Callable[[Handler], None], then: Callable[[Handler], None]) -> Callable[[Handler], None]:
    count = iter(range(1_000_000))
    return lambda handler: answer(handler) if next(count) < times else then(handler)


def test_every_member_of_a_gzip_coding_is_read(server: Server, tmp_path: Path) -> None:
    packed = gzip.compress(CSV[:10]) + gzip.compress(CSV[10:])
    server.answers["/a.csv"] = lambda handler: handler.send(packed, Content_Encoding="gzip")
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert (tmp_path / "file").read_bytes() == CSV


def test_bytes_behind_a_gzip_coding_are_refused(server: Server, tmp_path: Path) -> None:
    packed = gzip.compress(CSV) + b"garbage"
    server.answers["/a.csv"] = lambda handler: handler.send(packed, Content_Encoding="gzip")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_a_body_without_a_sure_end_is_taken_where_it_comes_twice(server: Server, tmp_path: Path, head: bytes) -> None:
    server.answers["/a.csv"] = raw(head + CSV)
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert len(server.seen) == 2


def test_a_body_without_a_sure_end_that_was_cut_once_is_read_whole(server: Server, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    server.answers["/a.csv"] = first(1, raw(head + CSV[:12]), raw(head + CSV))
    limits = replace(LIMITS, attempts=3)
    assert download(f"{server.url}/a.csv", tmp_path, limits=limits).bytes == len(CSV)
    assert len(server.seen) == 3


def test_a_body_without_a_sure_end_that_differs_each_time_is_refused(server: Server, tmp_path: Path) -> None:
    head = b"HTTP/1.0 200 OK\r\n\r\n"

    def answer(handler: Handler) -> None:
        raw(head + CSV[: 5 + len(server.seen)])(handler)

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_truncated"


FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "length": lambda body: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
    "chunks": lambda body: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 9]), body[at : at + 9]) for at in range(0, len(body), 9))
        + b"0\r\n\r\n"
    ),
    "gzip": lambda body: FRAMINGS["length"](gzip.compress(body[:9]) + gzip.compress(body[9:])).replace(
        b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1
    ),
    "nothing": lambda body: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body,
    "gzip and nothing": lambda body: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(body[:9]) + gzip.compress(body[9:])
    ),
    "length and etag": lambda body: b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body),
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_no_part_of_a_download_is_ever_taken_for_the_whole(server: Server, tmp_path: Path, framing: str) -> None:
    whole = FRAMINGS[framing](CSV)
    limits = replace(LIMITS, attempts=4)
    for length in range(len(whole)):
        server.answers["/a.csv"] = first(1, raw(whole[:length]), raw(whole))
        download(f"{server.url}/a.csv", tmp_path, limits=limits)
        assert (tmp_path / "file").read_bytes() == CSV, length


@pytest.mark.parametrize("framing", [framing for framing in FRAMINGS if "nothing" not in framing])
def test_a_download_that_always_stops_is_refused(server: Server, tmp_path: Path, framing: str) -> None:
    whole = FRAMINGS[framing](CSV)
    for length in range(0, len(whole), 7):
        server.answers["/a.csv"] = raw(whole[:length])
        error = refused(f"{server.url}/a.csv", tmp_path)
        assert error.code in ("source_truncated", "source_http_error", "source_timeout")


def stopping(parts: int, *, etag: str, changes: bool = False) -> Callable[[Handler], None]:
    """A server that knows ranges and sends a part of the rest each time."""
    seen: list[str | None] = []

    def answer(handler: Handler) -> None:
        seen.append(handler.headers["Range"])
        tag = etag.replace("N", str(len(seen))) if changes else etag
        body = CSV.replace(b"a", b"%d" % len(seen)) if changes else CSV
        start = 0
        if handler.headers["Range"] and handler.headers["If-Range"] == tag:
            start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        end = min(start + len(body) // parts, len(body)) if len(seen) < 9 else len(body)
        headers = {"ETag": tag, "Content_Length": str(len(body) - start)}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.send(body[start:end], 206 if start else 200, **headers)
        handler.close_connection = end < len(body)

    return answer


def test_a_file_that_breaks_off_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = stopping(4, etag='"v1"')
    fetched = download(f"{server.url}/a.csv", tmp_path)
    assert (fetched.sha256, fetched.bytes) == (hashlib.sha256(CSV).hexdigest(), len(CSV))
    assert (tmp_path / "file").read_bytes() == CSV
    assert 4 <= len(server.seen) <= 6


@pytest.mark.parametrize(("etag", "changes"), [('"vN"', True), ('W/"v"', False)])
def test_parts_of_two_files_are_never_put_together(server: Server, tmp_path: Path, etag: str, changes: bool) -> None:
    server.answers["/a.csv"] = stopping(2, etag=etag, changes=changes)
    fetched = download(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, attempts=20))
    body = (tmp_path / "file").read_bytes()
    assert body == (CSV.replace(b"a", b"9") if changes else CSV)
    assert fetched.sha256 == hashlib.sha256(body).hexdigest()


PLACE = f"bytes 9-{len(CSV) - 1}/{len(CSV)}"
OTHER = CSV.replace(b"a", b"z")
MULTIPART = b"--b\r\nContent-Range: " + PLACE.encode() + b"\r\n\r\n" + CSV[9:] + b"\r\n--b--\r\n"
LIES: dict[str, tuple[bytes, int, dict[str, str]]] = {
    "another place": (CSV[3:], 206, {"Content_Range": f"bytes 3-{len(CSV) - 1}/{len(CSV)}"}),
    "another length": (CSV[9:], 206, {"Content_Range": f"bytes 9-{len(CSV)}/{len(CSV) + 1}"}),
    "a part of the rest": (CSV[9:12], 206, {"Content_Range": f"bytes 9-11/{len(CSV)}"}),
    "more than the rest": (CSV[9:] + b"c,1\n", 206, {"Content_Range": PLACE}),
    "no place": (CSV[9:], 206, {}),
    "a length that is not known": (CSV[9:], 206, {"Content_Range": f"bytes 9-{len(CSV) - 1}/*"}),
    "no numbers": (CSV[9:], 206, {"Content_Range": "bytes */27"}),
    "several parts": (MULTIPART, 206, {"Content_Type": "multipart/byteranges; boundary=b"}),
    "the rest of another": (OTHER[9:], 206, {"Content_Range": PLACE, "ETag": '"b"'}),
    "the rest of a like one": (OTHER[9:], 206, {"Content_Range": PLACE, "ETag": 'W/"a"'}),
    "a packed rest": (gzip.compress(CSV[9:]), 206, {"Content_Range": PLACE, "Content_Encoding": "gzip"}),
    "no rest": (b"", 416, {"Content_Range": f"bytes */{len(CSV)}"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_of_ranges_brings_no_mixture(server: Server, tmp_path: Path, lie: str) -> None:
    body, status, headers = LIES[lie]

    def answer(handler: Handler) -> None:
        if handler.headers["Range"]:
            handler.send(body, status, **{"ETag": '"a"', **headers})
        else:
            handler.send(CSV[:9] if len(server.seen) < 3 else CSV, ETag='"a"', Content_Length=str(len(CSV)))
        handler.close_connection = True

    server.answers["/a.csv"] = answer
    download(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, attempts=5))
    assert (tmp_path / "file").read_bytes() == CSV


def test_a_server_that_begins_again_with_another_file_is_believed(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        if handler.headers["Range"]:
            handler.send(OTHER, ETag='"b"')
        else:
            handler.send(CSV[:9], ETag='"a"', Content_Length=str(len(CSV)))
            handler.close_connection = True

    server.answers["/a.csv"] = answer
    download(f"{server.url}/a.csv", tmp_path)
    assert (tmp_path / "file").read_bytes() == OTHER


def test_a_part_that_nobody_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV[:9], 206, Content_Range=f"bytes 0-8/{len(CSV)}")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"


def test_a_server_that_is_busy_is_asked_as_long_as_there_is_time(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = first(7, lambda handler: handler.send(b"", 503), lambda handler: handler.send(CSV))
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert len(server.seen) == 8


def test_a_server_is_left_alone_as_long_as_it_asks(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = first(
        1, lambda handler: handler.send(b"", 429, Retry_After="1"), lambda handler: handler.send(CSV)
    )
    began = time.monotonic()
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert 1.0 <= time.monotonic() - began < 3
    assert len(server.seen) == 2


def test_more_time_than_there_is_is_not_waited_for(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 503, Retry_After="3600")
    error = refused(f"{server.url}/a.csv", tmp_path)
    assert error.details["http_status"] == 503
    assert "it asks for 3,600 s" in error.message


def test_a_busy_server_meets_the_end_of_the_time(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 429)
    assert (
        refused(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, total_seconds=1.0)).code == "source_http_error"
    )


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (
            b"<?xml?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
            "Request has expired",
        ),
        (b'{"message": "the link\\u001b[31m is too old"}', "the link\\\\x1b[31m is too old"),
        (b"<html><head><title>Sign in</title></head></html>", "Sign in"),
        (b"no\nway", "no way"),
        (b"no way to /a.csv?sig=5ECRET42 nor https://u:5ECRET42@h/", "no way to /a.csv?… nor https://h/"),
        (b"x" * 100_000, "x…"),
    ],
)
def test_the_servers_own_words_are_quoted(server: Server, tmp_path: Path, body: bytes, quoted: str) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(body, 403)
    error = refused(f"{server.url}/a.csv?sig=5ECRET42", tmp_path)
    assert quoted in error.message
    assert "5ECRET42" not in error.message
    assert len(error.message) < 400


def test_a_location_in_utf_8_is_followed(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = raw("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /данные.csv\r\n\r\n".encode())
    server.answers["/%D0%B4%D0%B0%D0%BD%D0%BD%D1%8B%D0%B5.csv"] = lambda handler: handler.send(CSV)
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)


def test_a_long_address_arrives_byte_for_byte_and_is_shown_without_its_secret(server: Server, tmp_path: Path) -> None:
    path = "/a.csv?X-Amz-Security-Token=" + "A%2F%2Bb%3d" * 700 + "&X-Amz-Signature=5ECRET42"
    server.answers["/a.csv"] = lambda handler: handler.send(CSV)
    fetched = download(f"{server.url}{path}", tmp_path)
    assert server.seen == [path]
    assert fetched.final_url == f"{server.url}/a.csv?…"


@pytest.mark.parametrize(
    "url",
    [
        "http://xn--aaaa--aaaaaaa/x.csv",
        "http://xn--a/x.csv",
        "http://" + "a" * 300 + "/",
        "http://a..b/",
        "http://\u2024/",
    ],
)
def test_a_name_that_no_host_has_is_no_crash(tmp_path: Path, url: str) -> None:
    assert refused(url, tmp_path).code in ("source_url_invalid", "source_unreachable")


def test_no_message_shows_the_secret_of_an_address(server: Server, tmp_path: Path) -> None:
    secret = "X-Amz-Signature=5ECRET42"
    server.answers["/moved"] = lambda handler: handler.send(b"", 302, Location=f"/gone?{secret}")
    server.answers["/gone"] = lambda handler: handler.send(f"no key /gone?{secret} 5ECRET42".encode(), 404)
    server.answers["/cut"] = lambda handler: handler.send(CSV, Content_Encoding="gzip")
    server.answers["/loop"] = lambda handler: handler.send(b"", 302, Location=f"/loop?{secret}")
    server.answers["/odd"] = lambda handler: handler.send(b"", 302, Location=f"ftp://h/?{secret}")
    server.answers["/no-http"] = raw(b"5ECRET42 is no status line\r\n\r\n")
    for path in ("/moved", f"/gone?{secret}", f"/cut?{secret}", f"/loop?{secret}", "/odd", f"/no-http?{secret}"):
        error = refused(f"{server.url}{path}", tmp_path)
        assert "5ECRET42" not in f"{error.message} {error.details}", path


def test_datasets_are_asked_for_through_the_proxy_of_the_setting(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["http://93.184.216.34/a.csv"] = lambda handler: handler.send(
        CSV if handler.headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0" else b""
    )
    proxy = server.url.replace("//", "//me:secret@")
    assert download("http://93.184.216.34/a.csv", tmp_path, allow=(), proxy=proxy).bytes == len(CSV)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    assert download("http://93.184.216.34/a.csv", tmp_path, allow=(), proxy="env").bytes == len(CSV)


def test_a_proxy_is_no_way_to_what_is_private(server: Server, tmp_path: Path) -> None:
    error = refused("http://127.0.0.1:1/a.csv", tmp_path, allow=(), proxy=server.url)
    assert error.code == "source_forbidden_address"
    assert server.seen == []
