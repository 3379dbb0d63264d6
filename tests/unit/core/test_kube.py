from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from regraft_core.errors import NotFoundError, RegraftError, TemporaryError
from regraft_core.kube import BearerToken, Cluster, answer, reaching


def sent_token(auth: httpx.Auth | None) -> str | None:
    assert auth is not None
    return next(auth.auth_flow(httpx.Request("GET", "http://api"))).headers["Authorization"]


class TestInAPod:
    @pytest.fixture
    def account(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        (tmp_path / "ca.crt").write_text(Path(certifi.where()).read_text())
        (tmp_path / "token").write_text("first\n")
        return tmp_path

    def test_the_api_server_is_the_one_of_the_environment(self, account: Path) -> None:
        assert Cluster.around_pod(account).server == "https://10.96.0.1:443"

    def test_an_ipv6_address_is_put_in_brackets(self, account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
        assert Cluster.around_pod(account).server == "https://[fd00::1]:443"

    def test_a_renewed_token_is_used_at_once(self, account: Path) -> None:
        auth = Cluster.around_pod(account).auth
        assert sent_token(auth) == "Bearer first"
        (account / "token").write_text("second\n")
        assert sent_token(auth) == "Bearer second"


class TestOutsideOfAPod:
    @pytest.fixture
    def kubectl(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A kubectl that shows the configuration in a file."""
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        program = tmp_path / "kubectl"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/config.json\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return tmp_path

    def configure(self, folder: Path, *, user: dict[str, Any], authority: bytes | None = None) -> None:
        cluster = {"server": "https://127.0.0.1:6443"}
        if authority:
            cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
        config = {"clusters": [{"cluster": cluster}], "users": [{"user": user}]}
        (folder / "config.json").write_text(json.dumps(config))

    def test_the_cluster_is_kubectls(self, kubectl: Path) -> None:
        self.configure(kubectl, user={"token": "secret"})
        found = Cluster.find()
        assert found.server == "https://127.0.0.1:6443"
        assert sent_token(found.auth) == "Bearer secret"

    def test_a_client_certificate_is_taken(self, kubectl: Path) -> None:
        certificate, key = self_signed()
        user = {
            "client-certificate-data": base64.b64encode(certificate).decode(),
            "client-key-data": base64.b64encode(key).decode(),
        }
        self.configure(kubectl, user=user, authority=certificate)
        found = Cluster.find()
        assert found.auth is None
        with found.client() as client:
            assert client.base_url.host == "127.0.0.1"

    def test_without_kubectl_the_error_says_so(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(RegraftError, match="this is no pod") as caught:
            Cluster.find()
        assert caught.value.code == "cluster_unknown"


def self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (403, RegraftError, "cluster_refused"),
        (404, NotFoundError, "object_unknown"),
        (409, TemporaryError, "cluster_busy"),
        (410, NotFoundError, "object_unknown"),
        (422, RegraftError, "cluster_refused"),
        (429, TemporaryError, "cluster_busy"),
        (500, TemporaryError, "cluster_busy"),
    ],
)
def test_an_answer_that_is_an_error_is_raised_with_the_servers_reason(
    status: int, kind: type[RegraftError], code: str
) -> None:
    request = httpx.Request("GET", "https://api/apis/x")
    response = httpx.Response(status, json={"kind": "Status", "message": "pods is forbidden"}, request=request)
    with pytest.raises(kind, match=f"{status} to GET /apis/x: pods is forbidden") as caught:
        answer(response)
    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"bad gateway", b"[]", b"{}"])
def test_an_error_that_is_no_status_is_shown_as_it_is(body: bytes) -> None:
    response = httpx.Response(502, content=body, request=httpx.Request("GET", "https://api/"))
    with pytest.raises(TemporaryError) as caught:
        answer(response)
    assert caught.value.message.endswith(body.decode())


def test_a_success_is_the_object() -> None:
    assert answer(httpx.Response(201, json={"kind": "Pod"})) == {"kind": "Pod"}


def test_a_connection_that_fails_can_be_tried_again() -> None:
    with pytest.raises(TemporaryError, match="cannot be reached: ConnectTimeout") as caught, reaching():
        raise httpx.ConnectTimeout("")
    assert caught.value.code == "cluster_unreachable"


def test_a_token_is_sent_without_the_line_end_of_its_file() -> None:
    assert sent_token(BearerToken(lambda: "abc\n")) == "Bearer abc"
