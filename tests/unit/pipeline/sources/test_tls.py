"""Encrypted downloads: whose certificates are trusted, and that an end without a goodbye is no end."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from regraft_core.errors import RegraftError, SourceError
from regraft_pipeline.sources import Fetched, Limits, Site, fetch
from regraft_pipeline.tls import trusted
from tests.unit.pipeline.sources.web import Server

CSV = b"Password,Times\na,1.0\nb,0.0\n"
LIMITS = Limits(max_bytes=10_000, connect_seconds=5, read_seconds=5, total_seconds=20, attempts=3)


def certified(folder: Path, name: str = "localhost", days: int = 2) -> Path:
    """Put a key and a certificate of our own for a name into a folder; it counts from ten days ago for so many more."""
    key = ec.generate_private_key(ec.SECP256R1())
    owner = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(owner, owner, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "cert").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate of our own for ``localhost``."""
    return certified(tmp_path_factory.mktemp("tls"))


@contextmanager
def answering(authority: Path, answer: Callable[[int], tuple[bytes, bool]]) -> Iterator[str]:
    """Answer the nth request with these bytes, with or without TLS's goodbye."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert", authority / "key")

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
                if not stream.recv(9999):
                    continue
                body, is_polite = answer(number)
                number += 1
                stream.sendall(body)
                if is_polite:
                    stream.unwrap().close()
                else:
                    with socket.socket(fileno=stream.detach()) as plain:
                        plain.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/a.csv"


def download(url: str, folder: Path, ca_file: Path | None) -> Fetched:
    site = Site(limits=LIMITS, allow_private_hosts=["localhost"], ca_file=ca_file)
    return fetch(url, folder / "file", site=site, progress=lambda share, message: None)


WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CSV), CSV)
WITHOUT = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def test_a_sites_own_authority_is_trusted_where_the_setting_names_it(authority: Path, tmp_path: Path) -> None:
    with answering(authority, lambda _: (WITH_LENGTH, True)) as url:
        assert download(url, tmp_path, authority / "cert").bytes == len(CSV)


def test_a_certificate_of_nobody_we_trust_fails_at_once_and_says_what_to_do(authority: Path, tmp_path: Path) -> None:
    with answering(authority, lambda _: (WITH_LENGTH, True)) as url, pytest.raises(SourceError) as caught:
        download(url, tmp_path, None)
    assert caught.value.code == "source_untrusted"
    assert "REGRAFT_CA_FILE" in caught.value.message


@pytest.mark.parametrize(
    ("name", "days", "is_listed", "told"),
    [
        ("localhost", -1, True, "certificate has expired; whoever runs the server must renew it"),
        ("other.example", 2, True, "not valid for 'localhost'; post the address with a name that the certificate is"),
        ("localhost", 2, False, "self-signed certificate; REGRAFT_CA_FILE names"),
    ],
    ids=["expired", "of another name", "of nobody"],
)
def test_each_certificate_is_refused_for_what_is_wrong_with_it(
    tmp_path: Path, name: str, days: int, is_listed: bool, told: str
) -> None:
    folder = certified(tmp_path, name, days)
    with answering(folder, lambda _: (WITH_LENGTH, True)) as url, pytest.raises(SourceError) as caught:
        download(url, tmp_path, folder / "cert" if is_listed else None)
    assert caught.value.code == "source_untrusted"
    assert told in caught.value.message


def test_https_to_a_port_without_tls_says_so(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        download(f"https://localhost:{server.server_port}/a.csv", tmp_path, None)
    assert (caught.value.code, "http:// may be meant" in caught.value.message) == ("source_unreachable", True)


def test_the_variable_that_all_programs_know_counts_too(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "cert"))
    with answering(authority, lambda _: (WITH_LENGTH, True)) as url:
        assert download(url, tmp_path, None).bytes == len(CSV)


@pytest.mark.parametrize("is_polite", [True, False])
def test_a_body_cut_without_a_length_is_loaded_again(authority: Path, tmp_path: Path, is_polite: bool) -> None:
    with answering(authority, lambda n: (WITHOUT + (CSV[:15] if n == 0 else CSV), is_polite)) as url:
        download(url, tmp_path, authority / "cert")
    assert (tmp_path / "file").read_bytes() == CSV


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_file_that_holds_no_authorities_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca").write_bytes(content)
    with pytest.raises(RegraftError) as caught:
        trusted(tmp_path / "ca")
    assert (caught.value.code, "REGRAFT_CA_FILE" in caught.value.message) == ("setting_invalid", True)
