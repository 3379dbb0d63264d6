from __future__ import annotations

import socket
import time
from ipaddress import ip_address
from typing import Any

import httpcore
import pytest

from regraft_core.errors import SourceError
from regraft_pipeline.sources.network import AllowedHosts, GuardedNetwork, is_public


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
        ("fec0::2", False),
        ("192.0.0.8", False),
        ("192.0.0.192", False),
        ("168.63.129.16", False),
        ("100.100.100.200", False),
        ("192.88.99.1", False),
        ("64:ff9b:1::1", False),
        ("::7f00:1", False),
        ("2606:2800::5efe:10.0.0.1", False),
        ("2606:2800::5efe:93.184.216.34", True),
        ("fe80::5efe:93.184.216.34", False),
    ],
)
def test_private_reserved_and_multicast_addresses_are_not_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    ("pattern", "host", "allowed"),
    [
        ("10.0.*", "10.0.0.5", True),
        ("10.0.*", "10.0.evil.com", False),
        ("10.0.*", "10.1.0.5", False),
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.0/8", "10.evil.com", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1.nip.io", False),
        ("1*", "1.example.org", False),
        ("::1", "::1", True),
        ("[::1]", "::1", True),
        ("fd00::/8", "fd00::5", True),
        ("fd00:*", "fd00::5", True),
        ("*", "10.0.0.5", True),
        ("*", "data.lan", True),
        ("*.b.c", "x.b.c", True),
        ("*.b.c", "X.B.C.", True),
        ("*.b.c", "b.c", False),
        ("*.b.c", "evilb.c", False),
        ("*.b.c", "x.b.c.evil.com", False),
        ("data?.lan", "data1.lan", True),
        (" data.lan ", "data.lan", True),
        ("bücher.lan", "xn--bcher-kva.lan", True),
        ("", "data.lan", False),
    ],
)
def test_a_pattern_of_digits_stands_for_addresses_alone(pattern: str, host: str, allowed: bool) -> None:
    assert (host in AllowedHosts([pattern])) is allowed


@pytest.mark.parametrize("address", ["10.1.2.3", "fec0::2", "::ffff:127.0.0.1", "fe80::1%1"])
def test_a_name_at_a_private_address_is_not_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(SourceError) as caught:
        GuardedNetwork(["10.0.*"], deadline=0).addresses("data.test", 80)
    assert caught.value.code == "source_forbidden_address"


def test_only_the_public_ones_of_many_addresses_are_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 80)) for text in ("10.0.0.1", "93.184.216.34")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert GuardedNetwork([], deadline=0).addresses("data.test", 80) == ["93.184.216.34"]


def test_a_dead_address_of_a_host_is_no_end_where_another_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in ("127.0.0.9", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: found if host == "data.test" else found[1:])
        stream = GuardedNetwork(["data.test"], deadline=time.monotonic() + 9).connect_tcp("data.test", port, 5)
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        stream.close()


def test_a_name_that_is_none_cannot_be_connected_to() -> None:
    with pytest.raises(httpcore.ConnectError):
        GuardedNetwork([], deadline=0).addresses("a" * 300, 80)
