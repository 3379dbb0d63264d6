"""How an answer is framed (RFC 9112, sections 6 and 7): the very bytes of the file come of it, or it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.pipeline.sources.web import CSV, Server, download, raw, refused


def answer(*headers: bytes, body: bytes = CSV, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *headers, b"", body])


def chunk(data: bytes, size: bytes = b"", behind: bytes = b"") -> bytes:
    return (size or b"%x" % len(data)) + behind + b"\r\n" + data + b"\r\n"


LENGTH = b"Content-Length: %d" % len(CSV)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = chunk(CSV[:9]) + chunk(CSV[9:])
END = b"0\r\n\r\n"

WHOLE = {
    "100 before it": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(LENGTH),
    "several before it": b"HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(LENGTH),
    "HTTP/1.0 with a length": answer(LENGTH, status=b"HTTP/1.0 200 OK"),
    "another answer behind it": answer(LENGTH) + answer(LENGTH, body=b"x" * len(CSV)),
    "another answer behind its chunks": answer(CHUNKED, body=CHUNKS + END) + answer(LENGTH),
    "an empty line behind it": answer(LENGTH) + b"\r\n",
    "one length twice": answer(LENGTH, LENGTH),
    "a length as a list": answer(LENGTH + b", %d" % len(CSV)),
    "blanks around the length": answer(b"Content-Length:   %d  " % len(CSV)),
    "extensions of chunks": answer(CHUNKED, body=chunk(CSV[:9], behind=b';a=b;c="d e"') + chunk(CSV[9:]) + END),
    "trailers": answer(CHUNKED, body=CHUNKS + b"0\r\nContent-Length: 3\r\n\r\n"),
    "zeros before a size": answer(CHUNKED, body=chunk(CSV, b"0001B") + END),
    "a length beside chunks": answer(LENGTH, CHUNKED, body=CHUNKS + END),
}
REFUSED = {
    "nothing": (b"", "source_http_error"),
    "100 alone": (b"HTTP/1.1 100 Continue\r\n\r\n", "source_http_error"),
    "a protocol nobody asked for": (answer(LENGTH, status=b"HTTP/1.1 101 Switching"), "source_http_error"),
    "HTTP/0.9": (CSV, "source_http_error"),
    **{
        f"a length of {length!r}": (answer(b"Content-Length: " + length), "source_http_error")
        for length in (b"+27", b"-27", b"", b"0x1b", b"2_7", b"2 7", b"27, 5", "٢٧".encode())
    },
    "two lengths": (answer(LENGTH, b"Content-Length: 5"), "source_http_error"),
    "a blank before the colon": (answer(b"Content-Length : 20"), "source_http_error"),
    "a coding of transfer we do not know": (answer(b"Transfer-Encoding: gzip, chunked"), "source_http_error"),
    "chunks twice": (answer(CHUNKED, CHUNKED, body=CHUNKS + END), "source_http_error"),
    "a length that is not that of its chunks": (
        answer(b"Content-Length: 5", CHUNKED, body=CHUNKS + END),
        "source_truncated",
    ),
    "a length that is too large": (answer(b"Content-Length: 99"), "source_truncated"),
    "a length that is too small": (answer(b"Content-Length: 20"), "source_truncated"),
    "a length of signs, not bytes": (answer(LENGTH, body=CSV.replace(b"a", "ü".encode())), "source_truncated"),
    **{
        f"a chunk of size {size!r}": (answer(CHUNKED, body=chunk(CSV, size) + END), "source_truncated")
        for size in (b"1c", b"1a", b"-1b", b"+1b", b"0x1b", b" 1b", b";", b"f" * 20, b"f" * 30)
    },
    "no last chunk": (answer(CHUNKED, body=CHUNKS), "source_truncated"),
    "half a last chunk": (answer(CHUNKED, body=CHUNKS + b"0\r\n"), "source_truncated"),
    "half a trailer": (answer(CHUNKED, body=CHUNKS + b"0\r\nX-Sum: 1\r\n"), "source_truncated"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_has_one_meaning_is_read(server: Server, tmp_path: Path, case: str) -> None:
    server.answers["/a.csv"] = raw(WHOLE[case])
    download(f"{server.url}/a.csv", tmp_path)
    assert (tmp_path / "file").read_bytes() == CSV
    assert len(server.seen) == 1


@pytest.mark.parametrize("case", REFUSED)
def test_what_contradicts_itself_is_refused(server: Server, tmp_path: Path, case: str) -> None:
    text, code = REFUSED[case]
    server.answers["/a.csv"] = raw(text)
    error = refused(f"{server.url}/a.csv", tmp_path)
    assert (error.code, error.message.startswith(f"{server.url}/a.csv ")) == (code, True)


def test_a_miscounted_length_of_a_large_file_is_noticed_too(server: Server, tmp_path: Path) -> None:
    """The body comes in many pieces, the last of which is of the length, and has more behind it."""
    body = b"Password,Times\n" + "пароль,1\n".encode() * 200
    server.answers["/a.csv"] = raw(answer(b"Content-Length: %d" % len(body.decode()), body=body))
    assert "must count bytes" in refused(f"{server.url}/a.csv", tmp_path).message


@pytest.mark.parametrize("where", ["header", "chunk", "gzip"])
def test_what_is_quoted_of_a_broken_answer_is_short_and_holds_no_secret(
    server: Server, tmp_path: Path, where: str
) -> None:
    noise = b"5ECRET42\x1b[31m" + b"x" * 5000
    server.answers["/a.csv"] = raw(
        {
            "header": answer(noise),
            "chunk": answer(CHUNKED, body=noise + b"\r\n"),
            "gzip": answer(b"Content-Encoding: gzip", body=b"\x1f\x8b\x08\0" + bytes(6) + b"\3\0" + bytes(8) + noise),
        }[where]
    )
    message = refused(f"{server.url}/a.csv?sig=5ECRET42", tmp_path).message
    assert ("5ECRET42" in message, "bytearray" in message) == (False, False)
    assert message.isprintable()
    assert len(message) < 400
