"""Which addresses are asked, which are refused, and what is shown of them."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest

from tests.unit.pipeline.sources.web import CSV, Handler, Server, download, raw, refused


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
    error = refused(f"{server.url}/a.csv", tmp_path)
    assert error.code == "source_url_invalid"
    assert error.message.startswith(f"{server.url}/a.csv redirects to ")


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


@pytest.mark.parametrize(("port", "told"), [(0, "names port 0"), (65536, "names port 65536")])
def test_a_port_that_there_is_not_is_named(tmp_path: Path, port: int, told: str) -> None:
    error = refused(f"http://127.0.0.1:{port}/a.csv", tmp_path)
    assert (error.code, told in error.message) == ("source_url_invalid", True)


WRITTEN = "/a+b%2Fc%20d%2fe(1)'*!~.csv?X-Amz-Credential=K%2F2026%2Fs3&X-Amz-Signature=a+b%2Fc%3D%20e&x='()*!;,~"


@pytest.mark.parametrize("is_redirected", [False, True])
def test_a_signed_address_is_asked_for_as_it_is_written(server: Server, tmp_path: Path, is_redirected: bool) -> None:
    """A signature is over these very signs: an equivalent of them would be refused (RFC 3986, section 6.2)."""
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 307, Location=WRITTEN)
    server.answers[WRITTEN.partition("?")[0]] = lambda handler: handler.send(CSV)
    download(f"{server.url}{'/a.csv' if is_redirected else WRITTEN}", tmp_path)
    assert server.seen[-1] == WRITTEN


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["b/c.csv", "/b/c.csv#part", "//{host}/b/c.csv", "http://{host}/b/c.csv", "./b/../b/c.csv"]
)
def test_every_redirect_leads_on(server: Server, tmp_path: Path, status: int, location: str) -> None:
    to = location.replace("{host}", f"127.0.0.1:{server.server_port}")
    server.answers["/a.csv"] = lambda handler: handler.send(b"", status, Location=to)
    server.answers["/b/c.csv"] = lambda handler: handler.send(CSV)
    assert download(f"{server.url}/a.csv", tmp_path).final_url == f"{server.url}/b/c.csv"


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


def test_no_part_of_a_secret_is_left_where_a_servers_words_are_cut(server: Server, tmp_path: Path) -> None:
    secret = "5ECRET42" * 4
    for blanks in range(160, 200):
        server.answers["/a.csv"] = partial(Handler.send, body=b"x" * blanks + b" " + secret.encode(), status=403)
        assert "5EC" not in refused(f"{server.url}/a.csv?sig={secret}", tmp_path).message


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
