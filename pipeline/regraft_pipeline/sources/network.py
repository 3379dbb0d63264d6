"""Connections to addresses that a stranger may have chosen.

What is refused is decided where the connection is made, on the very address that is connected to: a name that resolves
differently the next time, or a redirect, gets no further than the first request did.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from ssl import SSLContext
from typing import Any

import httpcore

from regraft_core.codes import Code
from regraft_core.errors import SourceError

type Address = IPv4Address | IPv6Address

NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses (RFC 6052)."""

ISATAP = 0x0000_5EFE
"""What stands before the IPv4 address that an IPv6 address ends with, but for one bit (RFC 5214)."""

NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata among them
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # a cloud's platform, seen from its machines alone
        "fec0::/10",  # site-local, by RFC 3879 to be treated as any other, and in use inside
        "64:ff9b:1::/48",  # a site's own NAT64
        "5f00::/16",  # segment routing
        "3fff::/20",  # documentation
        "::/96",  # compatible IPv4 addresses
    )
)
"""Networks that not everybody reaches, besides those that Python knows."""

_ADDRESS_PATTERN = re.compile(r"[0-9.*?\[\]]+|[0-9a-f:.*?]*:[0-9a-f:.*?]*")


class AllowedHosts:
    """Hosts that may be asked although their addresses are private: names and patterns of names, addresses, networks.

    A pattern of digits (``10.0.*``, ``10.0.0.0/8``) stands for addresses: no name matches it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names: list[str] = []
        self._addresses: list[str] = []
        self._networks: list[IPv4Network | IPv6Network] = []
        for pattern in (text.strip().strip("[]").rstrip(".").lower() for text in patterns):
            if network := _network(pattern):
                self._networks.append(network)
            elif pattern and pattern != "*" and _ADDRESS_PATTERN.fullmatch(pattern):
                self._addresses.append(pattern)
            else:
                self._names.append(_ascii(pattern))

    def __contains__(self, host: str) -> bool:
        host = host.lower().rstrip(".")
        address = _address(host)
        if address is None:
            return any(fnmatchcase(host, pattern) for pattern in self._names)
        inside = any(address.version == network.version and address in network for network in self._networks)
        return inside or "*" in self._names or any(fnmatchcase(str(address), text) for text in self._addresses)


class TimedNetwork(httpcore.NetworkBackend):
    """Connects before one deadline, to whatever it is told to."""

    def __init__(self, deadline: float) -> None:
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
        """Connect to the first address of the host that can be reached."""
        error: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in self.addresses(host, port):
            try:
                left = time_left(timeout, self._deadline, httpcore.ConnectTimeout)
                stream = self._network.connect_tcp(address, port, left, local_address, socket_options)
                return TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error or httpcore.ConnectError(f"{host} has no address")

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host. Raises httpcore.ConnectError where there are none."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedNetwork(TimedNetwork):
    """Connects to addresses that anybody may reach, and to hosts that are allowed; all before one deadline."""

    def __init__(self, allow_private_hosts: Iterable[str], deadline: float) -> None:
        super().__init__(deadline)
        self._allowed = AllowedHosts(allow_private_hosts)

    def addresses(self, host: str, port: int) -> list[str]:
        """Return those addresses of a host that may be connected to. Raises SourceError where there is none."""
        found = super().addresses(host, port)
        if host in self._allowed:
            return found
        public = [address for address in found if is_public(ip_address(address.partition("%")[0]))]
        if found and not public:
            raise SourceError(
                f"{host} is at {', '.join(found)}, which is private; REGRAFT_ALLOW_PRIVATE_HOSTS may list the host",
                code=Code.SOURCE_FORBIDDEN_ADDRESS,
                host=host,
            )
        return public

    def check(self, host: str, port: int) -> None:
        """Raise SourceError where a host that a proxy will connect to is private; a name may be the proxy's to find."""
        try:
            self.addresses(host, port)
        except httpcore.ConnectError:
            return


class TimedStream(httpcore.NetworkStream):
    """A connection that ends at a deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self.last = b""
        """What was read last."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read within the time that is left."""
        self.last = self._stream.read(max_bytes, time_left(timeout, self._deadline, httpcore.ReadTimeout))
        return self.last

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write within the time that is left."""
        self._stream.write(buffer, time_left(timeout, self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on encrypted; the certificate is checked against the name, not the address."""
        left = time_left(timeout, self._deadline, httpcore.ConnectTimeout)
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Tell what is asked about the connection."""
        return self._stream.get_extra_info(info)


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody may reach. IPv6 addresses that stand for an IPv4 address count as that."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        last = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inside := last if address in NAT64 else inside:
            return is_public(inside)
        if (int(address) >> 32) & 0xFDFF_FFFF == ISATAP and not is_public(last):
            return False
    if any(address.version == network.version and address in network for network in NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def time_left(timeout: float | None, deadline: float, error: type[httpcore.TimeoutException]) -> float:
    """Return the seconds that may still pass, at most ``timeout``. Raises the error where none is left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the time for the whole download is over")
    return left if timeout is None else min(timeout, left)


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _network(pattern: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(pattern, strict=False)
    except ValueError:
        return None


def _ascii(pattern: str) -> str:
    """Return a name as it stands in an address that is asked: ``bücher.lan`` as ``xn--bcher-kva.lan``."""
    try:
        return pattern.encode("idna").decode()
    except UnicodeError:
        return pattern
