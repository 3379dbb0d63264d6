"""Downloads: a file from an address that a stranger may have chosen.

What is refused is decided where the connection is made, on the very address that is connected to: a name that resolves
differently the next time, or a redirect, gets no further than the first request did.
"""

from __future__ import annotations

import hashlib
import socket
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

from regraft_core.errors import SourceError

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""

FIRST_PAUSE = 0.5
"""Seconds before the second attempt; doubled each time."""

CHUNK_BYTES = 1 << 16
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses (RFC 6052)."""

type Address = IPv4Address | IPv6Address
type Progress = Callable[[float | None, str], None]


@dataclass(frozen=True)
class Limits:
    """What a download may take."""

    max_bytes: int
    connect_seconds: float
    read_seconds: float
    total_seconds: float
    attempts: int


@dataclass(frozen=True)
class Fetched:
    """What was downloaded. ``final_url`` is the address after redirects."""

    sha256: str
    bytes: int
    final_url: str


class PassingError(SourceError):
    """A failure that can pass by itself."""


def fetch(url: str, path: Path, *, limits: Limits, allow_private_hosts: Sequence[str], progress: Progress) -> Fetched:
    """Download an address to a file. Raises SourceError with a ``source_...`` code."""
    deadline = time.monotonic() + limits.total_seconds
    for attempt in range(1, limits.attempts + 1):
        pause = FIRST_PAUSE * 2 ** (attempt - 1)
        try:
            return _Download(path, limits, deadline, allow_private_hosts, progress).fetch(url)
        except PassingError as error:
            if attempt == limits.attempts or time.monotonic() + pause > deadline:
                raise
            progress(None, f"{error.message}; trying again in {pause:g} s")
            time.sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")


class _Download:
    """One attempt."""

    def __init__(
        self, path: Path, limits: Limits, deadline: float, allow_private_hosts: Sequence[str], progress: Progress
    ) -> None:
        self._path = path
        self._limits = limits
        self._progress = progress
        self._network = GuardedNetwork(allow_private_hosts, deadline)

    def fetch(self, url: str) -> Fetched:
        """Follow redirects by hand, so that each address is checked."""
        address = _checked(url)
        with httpcore.ConnectionPool(ssl_context=httpx.create_ssl_context(), network_backend=self._network) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                with _naming_errors(address), self._asking(pool, address) as response:
                    location = _header(response, b"location")
                    if response.status not in REDIRECTS or location is None:
                        return self._save(address, response)
                address = _checked(location, base=address)
        raise SourceError(f"{url} redirects more than {MAX_REDIRECTS} times", code="source_too_many_redirects")

    def _asking(self, pool: httpcore.ConnectionPool, url: httpx.URL) -> Any:
        limits = self._limits
        timeout = {"connect": limits.connect_seconds, "read": limits.read_seconds, "write": limits.read_seconds}
        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", b"regraft"),
            (b"Accept", b"text/csv, */*;q=0.5"),
            (b"Accept-Encoding", b"identity"),
        ]
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        return pool.stream("GET", target, headers=headers, extensions={"timeout": timeout})

    def _save(self, url: httpx.URL, response: httpcore.Response) -> Fetched:
        _check_status(url, response.status)
        declared = int(_header(response, b"content-length") or 0)
        if declared > self._limits.max_bytes:
            raise self._too_large(url)
        digest = hashlib.sha256()
        size = 0
        with self._path.open("wb") as file:
            for chunk in _decoded(url, response):
                size += len(chunk)
                if size > self._limits.max_bytes:
                    raise self._too_large(url)
                digest.update(chunk)
                file.write(chunk)
                self._progress(min(size / declared, 1.0) if declared else None, f"{size:,} bytes")
        return Fetched(digest.hexdigest(), size, str(url))

    def _too_large(self, url: httpx.URL) -> SourceError:
        limit = self._limits.max_bytes
        return SourceError(
            f"{url} is larger than {limit:,} bytes; REGRAFT_MAX_DATASET_BYTES sets the limit",
            code="source_too_large",
            limit=limit,
        )


class _naming_errors:  # noqa: N801  (reads as a statement)
    """Turns what the network does into errors with codes of ours."""

    def __init__(self, url: httpx.URL) -> None:
        self.url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case httpcore.TimeoutException():
                raise PassingError(f"{self.url} did not answer in time", code="source_timeout") from error
            case httpcore.RemoteProtocolError():
                raise PassingError(f"{self.url} does not keep to HTTP: {error}", code="source_http_error") from error
            case httpcore.NetworkError() | httpcore.ProtocolError():
                raise PassingError(f"{self.url} cannot be reached: {error}", code="source_unreachable") from error


class GuardedNetwork(httpcore.NetworkBackend):
    """Connects to addresses that anybody may reach, and to hosts that are allowed; all before one deadline."""

    def __init__(self, allow_private_hosts: Iterable[str], deadline: float) -> None:
        self._patterns = [pattern.lower() for pattern in allow_private_hosts]
        self._deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that can be reached and is allowed."""
        error: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in self._allowed_addresses(host, port):
            try:
                left = _time_left(timeout, self._deadline, httpcore.ConnectTimeout)
                stream = self._network.connect_tcp(address, port, left, local_address, socket_options)
                return TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error or httpcore.ConnectError(f"{host} has no address")

    def _allowed_addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if self._is_listed(host):
            return addresses
        allowed = [address for address in addresses if is_public(ip_address(address.split("%")[0]))]
        if addresses and not allowed:
            raise SourceError(
                f"{host} is at {', '.join(addresses)}, which is private; REGRAFT_ALLOW_PRIVATE_HOSTS may list the host",
                code="source_forbidden_address",
                host=host,
            )
        return allowed

    def _is_listed(self, host: str) -> bool:
        return any(fnmatch(host.lower().rstrip("."), pattern) for pattern in self._patterns)


class TimedStream(httpcore.NetworkStream):
    """A connection that ends at a deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read within the time that is left."""
        return self._stream.read(max_bytes, _time_left(timeout, self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write within the time that is left."""
        self._stream.write(buffer, _time_left(timeout, self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on encrypted; the certificate is checked against the name, not the address."""
        left = _time_left(timeout, self._deadline, httpcore.ConnectTimeout)
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Tell what is asked about the connection."""
        return self._stream.get_extra_info(info)


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody may reach. IPv6 addresses that stand for an IPv4 address count as that."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in NAT64:
            inside = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inside:
            return is_public(inside)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _time_left(timeout: float | None, deadline: float, error: type[httpcore.TimeoutException]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the time for the whole download is over")
    return left if timeout is None else min(timeout, left)


def _checked(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """Return an address that may be asked. Raises SourceError (``source_url_invalid``)."""
    try:
        url = base.join(text) if base else httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError(f"{text!r} is not an address: {error}", code="source_url_invalid") from error
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 1 << 16:
        raise SourceError(f"{text!r} is not an http:// or https:// address", code="source_url_invalid")
    if url.userinfo:
        raise SourceError("the address must not hold a user or password", code="source_url_invalid")
    return url.copy_with(fragment=None)


def _check_status(url: httpx.URL, status: int) -> None:
    if status == 200:
        return
    if status in (404, 410):
        raise SourceError(f"there is nothing at {url} ({status})", code="source_not_found", http_status=status)
    kind = PassingError if status in PASSING_STATUSES else SourceError
    raise kind(f"{url} answers {status} instead of 200", code="source_http_error", http_status=status)


def _header(response: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), None)


def _decoded(url: httpx.URL, response: httpcore.Response) -> Iterator[bytes]:
    """Yield the file's bytes; some servers compress although they were asked not to."""
    encoding = (_header(response, b"content-encoding") or "identity").lower()
    if encoding == "identity":
        yield from _body(url, response)
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(f"{url} comes in the encoding {encoding!r}, which nobody asked for", code="source_http_error")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for packed in _body(url, response):
            while packed:
                # In pieces, so that a small answer cannot fill the memory.
                yield unpacker.decompress(packed, CHUNK_BYTES)
                packed = unpacker.unconsumed_tail  # noqa: PLW2901
    except zlib.error as error:
        raise SourceError(f"{url} is not what it says, {encoding}: {error}", code="source_http_error") from error
    if not unpacker.eof:
        raise PassingError(f"{url} stopped in the middle of {encoding}", code="source_truncated")


def _body(url: httpx.URL, response: httpcore.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_stream()
    except httpcore.RemoteProtocolError as error:
        raise PassingError(f"{url} stopped in the middle: {error}", code="source_truncated") from error
