"""Datasets behind http:// and https://.

Nothing is half true: what was received counts only where its end is sure. An answer tells its end by its length or its
last chunk; one that just stops is loaded again, and taken only where the same bytes come twice.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpcore
import httpx

from regraft_core.addresses import redacted, redacted_text, without_secrets_of
from regraft_core.codes import Code
from regraft_core.codings import CodingError, CutShortError, packings, unpacked
from regraft_core.errors import RegraftError, SourceError, TemporaryError, passes_by_itself
from regraft_pipeline.sources.failures import NamingErrors, why
from regraft_pipeline.sources.network import GuardedNetwork, TimedNetwork, TimedStream
from regraft_pipeline.sources.source import Fetched, PassingError, Patience, Progress, Site, shown, too_large
from regraft_pipeline.sources.words import ADVICE, READ_BYTES, retry_after, words_of
from regraft_pipeline.tls import trusted

MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BEING_MADE = 202
"""No refusal, but no dataset either: the server has begun to make what was asked for (RFC 9110, 15.3.3)."""

PATIENT_STATUSES = frozenset({BEING_MADE, 408, 425, 429, 502, 503, 504})
"""The server itself says that the same request will succeed later: asked as long as there is time. After others that
pass by themselves it is asked a few times."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


def fetch(address: str, path: Path, *, site: Site, progress: Progress) -> Fetched:
    """Download an address to a file. Raises SourceError with a ``source_...`` code."""
    return _Course(address, path, site, progress).run()


@dataclass
class _Body:
    """What has come of an answer's body, and how one may go on with it."""

    url: httpx.URL
    total: int | None
    etag: str | None
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    @property
    def can_go_on(self) -> bool:
        """Whether the rest can be asked for, certain that it is the rest of the same."""
        return self.etag is not None and self.total is not None and 0 < self.size < self.total


class _Course:
    """All attempts at one address."""

    def __init__(self, address: str, path: Path, site: Site, progress: Progress) -> None:
        self._url = checked(address)
        self._path = path
        self._site = site
        self._progress = progress
        self._patience = Patience(site.limits, progress)
        self._network = GuardedNetwork(site.allow_private_hosts, self._patience.deadline)
        self._seen = [str(self._url)]
        self._begun: _Body | None = None
        self._furthest = 0
        self._unsure: str | None = None

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        """Only what is encrypted needs it, and reading the public authorities takes a while."""
        return trusted(self._site.ca_file)

    def run(self) -> Fetched:
        """Try until the dataset is there for sure, or there is no use, or no time."""
        while True:
            try:
                fetched, sure = self._attempt()
            except PassingError as error:
                self._patience.wait(error)
                continue
            if sure or fetched.sha256 == self._unsure:
                return fetched
            if self._unsure is None:
                self._progress(None, f"{fetched.bytes:,} bytes without a sure end; loading them again to compare")
            else:
                what = "tells neither its length nor its end, and sent other bytes than the time before"
                self._patience.wait(PassingError(f"{shown(self._url)} {what}", code=Code.SOURCE_TRUNCATED))
            self._unsure = fetched.sha256

    def _attempt(self) -> tuple[Fetched, bool]:
        """Follow redirects by hand, so that each address is checked; return what came and whether its end is sure."""
        url = self._url
        for _ in range(MAX_REDIRECTS + 1):
            with NamingErrors(shown(url), self._seen), self._pool(url) as pool, self._asking(pool, url) as response:
                location = _location(response)
                if response.status not in REDIRECTS or location is None:
                    return self._take(url, response)
            url = checked(location, base=url)
            if str(url) not in self._seen:
                self._seen.append(str(url))
        raise SourceError(
            f"{shown(self._url)} redirects more than {MAX_REDIRECTS} times, at last to {shown(url)}; "
            "post the address at which the file itself is",
            code=Code.SOURCE_TOO_MANY_REDIRECTS,
        )

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        proxy = _proxy_for(url, self._site.proxy)
        if proxy is None:
            tls = self._ssl if url.scheme == "https" else None
            return httpcore.ConnectionPool(ssl_context=tls, network_backend=self._network)
        self._network.check(url.raw_host.decode(), url.port or 443)
        auth = (unquote(proxy.username).encode(), unquote(proxy.password).encode()) if proxy.userinfo else None
        return httpcore.HTTPProxy(
            httpcore.URL(scheme=proxy.raw_scheme, host=proxy.raw_host, port=proxy.port, target=b"/"),
            proxy_auth=auth,
            ssl_context=self._ssl if url.scheme == "https" else None,
            proxy_ssl_context=self._ssl if proxy.scheme == "https" else None,
            network_backend=TimedNetwork(self._patience.deadline),
        )

    def _asking(self, pool: httpcore.ConnectionPool, url: httpx.URL) -> Any:
        limits = self._site.limits
        timeout = {"connect": limits.connect_seconds, "read": limits.read_seconds, "write": limits.read_seconds}
        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", b"regraft"),
            (b"Accept", b"text/csv, */*;q=0.5"),
            (b"Accept-Encoding", b"identity"),
        ]
        if self._begun and self._begun.etag:
            headers.append((b"Range", b"bytes=%d-" % self._begun.size))
            headers.append((b"If-Range", self._begun.etag.encode("latin-1")))
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        return pool.stream("GET", target, headers=headers, extensions={"timeout": timeout})

    def _take(self, url: httpx.URL, response: httpcore.Response) -> tuple[Fetched, bool]:
        begun, self._begun = self._begun, None
        coding = _header(response, b"content-encoding") or ""
        if begun is not None and response.status in (206, 416):
            if not _goes_on(begun, url, response, coding):
                raise PassingError(f"{shown(url)} does not go on where it stopped", code=Code.SOURCE_TRUNCATED)
            body = begun
        else:
            self._check_status(url, response)
            length = _header(response, b"content-length")
            body = _Body(url, total=int(length) if length else None, etag=_strong_etag(response))
        if (body.total or 0) > self._site.limits.max_bytes:
            raise too_large(url, self._site.limits.max_bytes)
        size = self._write(url, response, coding, body)
        chunked = "chunked" in (_header(response, b"transfer-encoding") or "").lower()
        return Fetched(body.digest.hexdigest(), size, redacted(str(url))), body.total is not None or chunked

    def _write(self, url: httpx.URL, response: httpcore.Response, coding: str, body: _Body) -> int:
        """Write the body behind what has come of it, and return the size of the file."""
        limit = self._site.limits.max_bytes
        received = size = body.size
        last = b""

        def received_bytes() -> Iterator[bytes]:
            nonlocal received, last
            for chunk in response.iter_stream():
                received, last = received + len(chunk), chunk
                if received > limit:
                    raise too_large(url, limit)
                self._progress(min(received / body.total, 1.0) if body.total else None, f"{received:,} bytes")
                yield chunk

        try:
            is_packed = bool(packings(coding))
            with self._path.open("r+b" if size else "wb") as file:
                file.seek(size)
                file.truncate()
                for chunk in unpacked(received_bytes(), coding):
                    size += len(chunk)
                    if size > limit:
                        raise too_large(url, limit)
                    file.write(chunk)
                    body.digest.update(chunk)
                    body.size = size
        except CutShortError as error:
            raise PassingError(f"{shown(url)}: {error}", code=Code.SOURCE_TRUNCATED) from error
        except CodingError as error:
            message = f"{shown(url)}: {why(error, self._seen)}"
            raise SourceError(message, code=Code.SOURCE_HTTP_ERROR) from error
        except OSError as error:
            raise TemporaryError(f"the dataset cannot be written: {error.strerror}", code=Code.NO_ROOM) from error
        except (httpcore.NetworkError, httpcore.RemoteProtocolError, httpcore.TimeoutException) as error:
            if body.can_go_on and not is_packed:
                self._begun = body
                if body.size > self._furthest:
                    self._furthest = body.size
                    self._patience.moved_on()
            if isinstance(error, httpcore.TimeoutException):
                raise
            message = f"{shown(url)} did not come whole: {why(error, self._seen)}"
            raise PassingError(message, code=Code.SOURCE_TRUNCATED) from error
        if body.total is not None and received != body.total:
            raise PassingError(
                f"{shown(url)} says it has {body.total:,} bytes, and {received:,} came", code=Code.SOURCE_TRUNCATED
            )
        if _has_more(response, last):
            raise PassingError(
                f"{shown(url)} says it has {received:,} bytes, and more follow: its Content-Length must count bytes",
                code=Code.SOURCE_TRUNCATED,
            )
        return size

    def _check_status(self, url: httpx.URL, response: httpcore.Response) -> None:
        status = response.status
        if status in (200, 203):
            return
        words = self._words(response)
        if status in (404, 410):
            raise SourceError(
                f"there is nothing at {shown(url)} ({status}){words}", code=Code.SOURCE_NOT_FOUND, http_status=status
            )
        advice = ADVICE.get(status)
        message = f"{shown(url)} answers {status} instead of 200{words}" + (f"; {advice}" if advice else "")
        if status != BEING_MADE and not passes_by_itself(status):
            raise SourceError(message, code=Code.SOURCE_HTTP_ERROR, http_status=status)
        raise PassingError(
            message,
            code=Code.SOURCE_HTTP_ERROR,
            http_status=status,
            patient=status in PATIENT_STATUSES,
            retry_after=retry_after(_header(response, b"retry-after")),
        )

    def _words(self, response: httpcore.Response) -> str:
        """Return what the server says of its refusal, to stand at the end of a message."""
        body = b""
        try:
            for chunk in unpacked(response.iter_stream(), _header(response, b"content-encoding") or ""):
                body += chunk
                if len(body) >= READ_BYTES:
                    break
        except (CodingError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            pass
        words = words_of(body[:READ_BYTES], partial(without_secrets_of, self._seen))
        return f": {words!r}" if words else ""


def checked(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """Return an address that may be asked; ``base`` redirects to it. Raises SourceError (``source_url_invalid``)."""
    whence = f"{shown(base)} redirects to " if base else ""
    try:
        url = (base.join(text) if base else httpx.URL(text)).copy_with(fragment=None)
        problem = _problem(url)
    except (httpx.InvalidURL, ValueError) as error:  # also what is no international name
        problem = f"is not an address: {redacted_text(str(error))}"
    if problem:
        message = f"{whence}{shown(text)!r}{', which' if base else ''} {problem}"
        raise SourceError(message, code=Code.SOURCE_URL_INVALID)
    return url


def _problem(url: httpx.URL) -> str | None:
    """Return why an address cannot be asked, None where it can."""
    if url.userinfo:
        return "must not hold a user or password; post a signed address, or send the file itself"
    if url.scheme not in ("http", "https"):
        return "is not an http:// or https:// address"
    if not url.raw_host:
        return "names no host"
    if url.port is not None and not 0 < url.port < 1 << 16:
        return f"names port {url.port}; ports are 1 to 65535"
    return None


def _proxy_for(url: httpx.URL, proxy: str | None) -> httpx.URL | None:
    """Return the proxy that an address is asked through, None where there is none."""
    if not proxy:
        return None
    host = url.raw_host.decode()
    if urllib.request.proxy_bypass(host if url.port is None else f"{host}:{url.port}"):
        return None
    if proxy == "env":
        proxy = urllib.request.getproxies_environment().get(url.scheme)
        if not proxy:
            return None
    found = httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
    if found.scheme not in ("http", "https") or not found.raw_host:
        raise RegraftError(
            f"REGRAFT_DATA_PROXY leads to {shown(proxy)!r}; a proxy is http://HOST:PORT", code=Code.SETTING_INVALID
        )
    return found


def _goes_on(begun: _Body, url: httpx.URL, response: httpcore.Response, coding: str) -> bool:
    """Whether an answer to a ``Range`` is the rest of the very file that broke off.

    An ETag names the bytes of one address only (RFC 9110, section 8.8.3): two mirrors may use the same. The query may
    differ, which often is a signature that is made anew.
    """
    if url.copy_with(query=None) != begun.url.copy_with(query=None):
        return False
    place = _CONTENT_RANGE.fullmatch(_header(response, b"content-range") or "")
    if response.status != 206 or place is None or packings(coding):
        return False
    return (int(place[1]), int(place[2])) == (begun.size, begun.total) and _strong_etag(response) == begun.etag


def _has_more(response: httpcore.Response, last: bytes) -> bool:
    """Whether more than its ``Content-Length`` came of a body, whose last piece this is.

    That may be the rest of it, miscounted (RFC 9112, section 6.3); an empty line or another answer is none of it. Each
    piece is the end of what was read from the network last, but for what follows the body.
    """
    stream = response.extensions.get("network_stream")
    if not last or not isinstance(stream, TimedStream) or _header(response, b"content-length") is None:
        return False
    if _header(response, b"transfer-encoding") is not None or stream.last.endswith(last):
        return False
    more = stream.last.rpartition(last)[2].lstrip(b"\r\n")
    return bool(more) and not more.startswith(b"HTTP/")


def _strong_etag(response: httpcore.Response) -> str | None:
    """Return the name of the very bytes that an answer holds, None where it has none."""
    etag = (_header(response, b"etag") or "").strip()
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]+"', etag) else None


def _location(response: httpcore.Response) -> str | None:
    """Return where an answer sends to; many servers write it in UTF-8, as browsers read it."""
    values = _raw_headers(response, b"location")
    if not values:
        return None
    try:
        return values[0].decode().strip()
    except UnicodeDecodeError:
        return values[0].decode("latin-1").strip()


def _header(response: httpcore.Response, name: bytes) -> str | None:
    """Return the value of a header; where it stands several times, all of them as one list (RFC 9110, section 5.3)."""
    values = _raw_headers(response, name)
    return b", ".join(values).decode("latin-1") if values else None


def _raw_headers(response: httpcore.Response, name: bytes) -> list[bytes]:
    return [value for key, value in response.headers if key.lower() == name]
