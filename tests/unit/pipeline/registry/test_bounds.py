"""What a client may take of the embedded MLflow server, which has the bounds of our own servers."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tests import plain


def answer_to(url: str, request: bytes) -> bytes:
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def test_a_head_without_end_is_refused_and_others_are_answered(mlflow_url: str) -> None:
    endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: " + b"a" * (80 << 10)
    assert answer_to(mlflow_url, endless).startswith(b"HTTP/1.1 431 ")
    assert plain.get(f"{mlflow_url}/health").text == "OK"


def test_an_upgrade_that_nobody_makes_is_left_aside(mlflow_url: str) -> None:
    asking = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    assert answer_to(mlflow_url, asking).startswith(b"HTTP/1.1 200 ")
