"""What a web server may answer, and what is made of it: bodies, codings, statuses, redirects, lengths."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import pytest

from regraft_pipeline.sources import Fetched, Site, fetch
from tests.unit.pipeline.sources.web import CSV, LIMITS, Handler, Server, download, raw, refused


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
        (499, "source_http_error", 2),
        (507, "source_http_error", 2),
        (522, "source_http_error", 2),
        (501, "source_http_error", 1),
        (505, "source_http_error", 1),
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


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (204, "no content"),
        (206, "a part is no dataset"),
        (300, "post the address of the one that is meant"),
        (302, "redirects without saying where"),
        (401, "without signing in"),
        (403, "without signing in"),
    ],
)
def test_a_status_tells_what_to_do(server: Server, tmp_path: Path, status: int, told: str) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", status)
    assert told in refused(f"{server.url}/a.csv", tmp_path).message


def test_redirects_are_followed_and_the_last_address_is_told(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 302, Location="b.csv")
    server.answers["/b.csv"] = lambda handler: handler.send(b"", 308, Location=f"{server.url}/c.csv")
    server.answers["/c.csv"] = lambda handler: handler.send(CSV)
    assert download(f"{server.url}/a.csv", tmp_path).final_url == f"{server.url}/c.csv"


def test_a_redirect_loop_ends(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 302, Location="/a.csv")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_too_many_redirects"
    assert len(server.seen) == 11


def test_what_is_no_http_is_told(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"220 mail.example.org ESMTP\r\n\r\n")

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"


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


def test_every_member_of_a_gzip_coding_is_read(server: Server, tmp_path: Path) -> None:
    packed = gzip.compress(CSV[:10]) + gzip.compress(CSV[10:])
    server.answers["/a.csv"] = lambda handler: handler.send(packed, Content_Encoding="gzip")
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert (tmp_path / "file").read_bytes() == CSV


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        (("identity", "gzip"), gzip.compress(CSV)),
        (("gzip", "identity"), gzip.compress(CSV)),
        (("gzip", "gzip"), gzip.compress(gzip.compress(CSV))),
        (("gzip, identity", "deflate"), zlib.compress(gzip.compress(CSV))),
        (("gzip", "br"), None),
        (("none", "zstd"), None),
    ],
    ids=lambda value: " + ".join(value) if isinstance(value, tuple) else "",
)
def test_codings_in_several_headers_are_one_list(
    server: Server, tmp_path: Path, codings: tuple[str, ...], body: bytes | None
) -> None:
    head = "".join(f"Content-Encoding: {coding}\r\n" for coding in codings).encode()
    sent = CSV if body is None else body
    server.answers["/a.csv"] = raw(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(sent), sent))
    if body is None:
        assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"
    else:
        download(f"{server.url}/a.csv", tmp_path)
        assert (tmp_path / "file").read_bytes() == CSV


def test_bytes_behind_a_gzip_coding_are_refused(server: Server, tmp_path: Path) -> None:
    packed = gzip.compress(CSV) + b"garbage"
    server.answers["/a.csv"] = lambda handler: handler.send(packed, Content_Encoding="gzip")
    assert refused(f"{server.url}/a.csv", tmp_path).code == "source_http_error"


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
