"""Downloads that break off, and what may be put together of them: a part is never taken for the whole."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.pipeline.sources.web import CSV, LIMITS, Handler, Server, download, first, raw, refused


def test_a_body_that_ends_early_is_truncated_and_tried_again(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send(CSV[:9], Content_Length=str(len(CSV)))
        handler.close_connection = True

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_truncated"
    assert len(server.seen) == 2


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


@pytest.mark.parametrize(("places", "goes_on"), [(("/x/1", "/y/1"), False), (("/x/1?sig=a", "/x/1?sig=b"), True)])
def test_one_name_for_the_bytes_of_two_mirrors_brings_no_mixture(
    server: Server, tmp_path: Path, places: tuple[str, str], goes_on: bool
) -> None:
    """An ETag counts for one address only; with another signature it still is the same one."""
    asked: list[str | None] = []

    def mirror(handler: Handler, body: bytes) -> None:
        asked.append(wanted := handler.headers["Range"])
        if wanted:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            place = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.send(body[start:], 206, ETag='"1"', Content_Range=place)
        else:
            handler.send(body if len(asked) > 1 else body[:9], ETag='"1"', Content_Length=str(len(body)))
        handler.close_connection = True

    to = iter([*places, *places])
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 302, Location=next(to))
    server.answers["/x/1"] = lambda handler: mirror(handler, CSV)
    server.answers["/y/1"] = lambda handler: mirror(handler, OTHER)
    download(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, attempts=4))
    assert (tmp_path / "file").read_bytes() == CSV
    assert asked == ([None, "bytes=9-"] if goes_on else [None, "bytes=9-", None])
