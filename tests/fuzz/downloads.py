"""Ways to a dataset: answers of a server, content codings, addresses. Nothing but errors of ours comes of them."""

from __future__ import annotations

import gzip
import random
import socket
import tempfile
import threading
import zlib
from contextlib import suppress
from pathlib import Path

from regraft_core.addresses import redacted, redacted_text
from regraft_core.codes import Code
from regraft_core.codings import CodingError, unpacked
from regraft_core.errors import BadRequestError, SourceError
from regraft_pipeline.sources import Limits, Site, fetch
from regraft_pipeline.sources.http import checked
from regraft_trigger.bodies import TriggerBody, parse_body
from tests.fuzz.target import Target, WrongError

LIMITS = Limits(max_bytes=100_000, connect_seconds=2, read_seconds=0.3, total_seconds=0.4, attempts=1)
SECRET = "5ECRET42"
CODES = {str(code) for code in Code}
CSV = b"Password,Times\n" + b"".join(b"word%d,%d\n" % (number, number % 2) for number in range(20))
WORDS = (
    *(b"\r\n", b"\n", b"\0", b": ", b"0\r\n\r\n", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"\xff"),
    *(b"Content-Encoding: gzip\r\n", b"Location: /b\r\n", b"Location: http://[\r\n", b"Content-Range: bytes 0-9/9\r\n"),
    *(b'ETag: "a"\r\n', b"Retry-After: -1\r\n", b"Retry-After: nan\r\n", b"HTTP/1.1 103 Early\r\n\r\n", b"HTTP/1.0 "),
)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _coded(source: random.Random) -> bytes:
    name, data = source.choice(
        [
            (b"gzip", gzip.compress(CSV)),
            (b"gzip", gzip.compress(CSV[:50]) + gzip.compress(CSV[50:]) + bytes(source.choice((0, 9)))),
            (b"deflate", zlib.compress(CSV)),
            (b"deflate", _deflated(CSV)),
            (b"deflate, gzip", gzip.compress(_deflated(CSV))),
            (b"none", CSV),
        ]
    )
    return name + b"\n" + data


def _check_coding(content: bytes) -> None:
    """What is taken for gzip is what Python's own reader takes it for."""
    header, _, data = content.partition(b"\n")
    try:
        found = b"".join(unpacked([data[at : at + 7] for at in range(0, len(data), 7)], header.decode("latin-1")))
    except CodingError:
        return
    if header == b"gzip" and gzip.decompress(data) != found:
        raise WrongError("another content than Python's gzip reads")


def _answer(source: random.Random) -> bytes:
    packed = gzip.compress(CSV)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(CSV[at : at + 99]), CSV[at : at + 99]) for at in range(0, len(CSV), 99))
    return source.choice(
        [
            b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n%s' % (len(CSV), CSV),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed),
            b"HTTP/1.0 200 OK\r\n\r\n" + CSV,
            b"HTTP/1.1 302 Found\r\nLocation: /b.csv\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 403 No\r\nContent-Length: 39\r\n\r\n<Error><Message>no %s</Message></Error>" % SECRET.encode(),
            b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
        ]
    )


def _check_answer(content: bytes) -> None:
    """A server that answers so gets a dataset judged, or a run that failed for a reason of ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as folder:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.csv?sig={SECRET}"
        path = Path(folder) / "file"
        site = Site(limits=LIMITS, allow_private_hosts=["127.0.0.1"])
        try:
            fetched = fetch(url, path, site=site, progress=lambda share, message: None)
        except SourceError as error:
            if error.code not in CODES or SECRET in f"{error.message} {error.details}":
                raise WrongError(f"{error.code}: {error.message}") from error
        else:
            if path.stat().st_size != fetched.bytes or fetched.bytes > LIMITS.max_bytes:
                raise WrongError(f"{fetched.bytes} bytes are told of a file of {path.stat().st_size}")
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _address(source: random.Random) -> bytes:
    host = source.choice(["a.b", "127.0.0.1", "[::1]", "xn--bcher-kva.lan", "bücher.lan", "a.b:8080"])
    path = source.choice(["/c.csv", "/a%20b/c.csv", "/данные.csv", "//", "/..%2f..", ""])
    query = source.choice(["", "?x=1", "?a=b+c&d=%2F", "?to=https%3A%2F%2Fc.d%2F", "#part"])
    return f"{source.choice(['http', 'https', 'HTTP', 's3'])}://{host}{path}{query}".encode()


def _check_address(content: bytes) -> None:
    """Whatever an address is, it is asked for or refused, and what it hides is not shown."""
    text = content.decode("utf-8", "replace")
    with suppress(SourceError):
        checked(text)
    with suppress(BadRequestError):
        parse_body(content, TriggerBody)
    redacted_text(text)
    if redacted(redacted(text)) != redacted(text):
        raise WrongError("what was cut is cut again")
    signed = f"{text.partition('#')[0].partition('?')[0]}?x=1&X-Amz-Signature={SECRET}"
    if SECRET in redacted(signed):
        raise WrongError(redacted(signed))


DOWNLOADS = (
    Target("codings", _coded, _check_coding, (b"\x1f\x8b\x08", b"\0" * 9, b"gzip", b"deflate", b",", b"\x78\x9c")),
    Target("answers", _answer, _check_answer, WORDS),
    Target(
        "addresses", _address, _check_address, (b"@", b"%", b"?", b"#", b";", b":", b"//", b"[", b"]", b"\\", b"&sig=")
    ),
)
"""All that is fuzzed on the way to a dataset."""
