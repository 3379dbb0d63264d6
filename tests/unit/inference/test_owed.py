"""Every answer names the version that gave it, also those that no application has seen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.unit.inference.bundles import write_passwords_bundle
from tests.unit.inference.serving import serving
from tests.waiting import PATIENCE

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
BODY = b'{"Password": ["a"]}'
ASKED = [
    (HEAD + b"Content-Length: 19\r\n\r\n" + BODY, b"200", b"7"),
    (HEAD + b"Content-Length: 2\r\n\r\n{}", b"400", b"7"),
    (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"404", b"7"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", b"400", b"none"),
    (HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n", b"431", b"none"),
    (b"GET / HTTP/1.1\r\n\r\n", b"400", b"none"),
]


@pytest.mark.parametrize("fast", [True, False])
def test_every_answer_names_the_version(tmp_path: Path, fast: bool) -> None:
    write_passwords_bundle(tmp_path / "passwords", answer=1.5, version="7")
    with serving(tmp_path, fast=fast) as port:
        for sent, status, version in ASKED:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                connection.sendall(sent)
                answer = connection.recv(65_536)
            head = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
            assert head[0].split()[1] == status
            assert b"regraft-model-version: " + version in head
            assert any(line.startswith(b"regraft-data-sha256: ") for line in head)
