from __future__ import annotations

import gzip
import hashlib
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from regraft_cli.client import disposition
from regraft_core import layout
from regraft_core.addresses import uploaded_name
from regraft_trigger import uploads
from tests.unit.trigger.serving import Running, Serve
from tests.waiting import PATIENCE

CSV = b"Password,Times\na,1.0\nb,0.0\n"
SHA256 = hashlib.sha256(CSV).hexdigest()


def send(service: Running, content: Any, query: str = "", **headers: str) -> httpx.Response:
    """Send a dataset as the body of a trigger."""
    named = {"Content-Type": "text/csv"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return service.client.post(f"/trigger{query}", content=content, headers=named)


def test_a_dataset_that_is_the_body_is_in_the_store_when_the_run_is_accepted(service: Running) -> None:
    named = 'attachment; filename="C:\\folder\\words.csv"'
    answer = send(service, CSV, "?task=passwords&force=true", Content_Disposition=named)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == answer.json()["status_url"]
    run = service.runs.get(answer.json()["run_id"])
    assert run is not None
    assert (run.task, run.force, run.data_url) == ("passwords", True, f"upload:{SHA256}/words.csv")
    assert service.objects.get(layout.raw_dataset(SHA256)) == CSV
    assert "words.csv (uploaded)" in service.client.get("/", headers={"Accept": "text/html"}).text


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (disposition("Flüge 2.csv"), "Flüge 2.csv"),
        (disposition('a"b.csv'), 'a"b.csv'),
        (disposition("plain.csv"), "plain.csv"),
        ("attachment; FILENAME*=utf-8'de'%2Ftmp%2Fgr%C3%B6%C3%9Fe.csv; filename=x.csv", "größe.csv"),
        ("attachment; filename*=UTF-8''a%0Ab%FF.csv", "ab\ufffd.csv"),
        ("attachment", ""),
    ],
)
def test_a_file_keeps_its_name_in_whatever_letters(service: Running, header: str, name: str) -> None:
    sent = send(service, CSV, "?task=passwords", Content_Disposition=header)
    run = service.runs.get(sent.json()["run_id"])
    assert run is not None
    assert uploaded_name(run.data_url or "") == name


@pytest.mark.parametrize("kind", sorted(uploads.TYPES))
def test_every_type_of_a_dataset_is_taken_and_stored_unchanged(service: Running, kind: str) -> None:
    packed = gzip.compress(kind.encode(), mtime=0)
    assert send(service, packed, Content_Type=f"{kind}; charset=binary").status_code == 202
    assert service.objects.get(layout.raw_dataset(hashlib.sha256(packed).hexdigest())) == packed


def test_a_body_without_a_length_and_with_a_coding_is_stored_as_what_was_packed(service: Running) -> None:
    def pieces() -> Iterator[bytes]:
        packed = gzip.compress(CSV[:9], mtime=0) + gzip.compress(CSV[9:], mtime=0)
        yield from (packed[start : start + 5] for start in range(0, len(packed), 5))

    answer = send(service, pieces(), Content_Encoding="gzip")
    run = service.runs.get(answer.json()["run_id"])
    assert run is not None
    assert run.data_url == f"upload:{SHA256}"


@pytest.mark.parametrize(
    ("content", "query", "headers", "status", "code"),
    [
        (CSV, "?task=x", {}, 400, "task_unknown"),
        (CSV, "?force=perhaps", {}, 400, "parameter_invalid"),
        (CSV, "", {"Content_Encoding": "br"}, 400, "not_decodable"),
        (CSV, "", {"Content_Encoding": "gzip"}, 400, "not_decodable"),
        (gzip.compress(CSV, mtime=0)[:-3], "", {"Content_Encoding": "gzip"}, 400, "not_decodable"),
        (CSV, "", {"Content_Type": "application/json"}, 400, "not_json"),
    ],
)
def test_a_dataset_that_cannot_be_taken_is_refused(
    service: Running, content: bytes, query: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = send(service, content, query, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("way", ["declared", "chunked", "packed"])
def test_more_than_the_limit_is_refused(serve: Serve, way: str) -> None:
    service = serve(max_dataset_bytes=1000)
    contents: dict[str, Any] = {
        "declared": bytes(1001),
        "chunked": iter([bytes(600)] * 2),
        "packed": gzip.compress(bytes(10**6), mtime=0),
    }
    answer = send(service, contents[way], **({"Content_Encoding": "gzip"} if way == "packed" else {}))
    assert (answer.status_code, answer.json()["limit"]) == (413, 1000)
    assert list(service.objects.keys("datasets/")) == []


def test_the_same_key_with_the_same_dataset_is_the_same_run_and_with_another_is_refused(service: Running) -> None:
    first = send(service, CSV, Idempotency_Key="file")
    again = send(service, CSV, Idempotency_Key="file")
    other = send(service, CSV + b"c,1.0\n", Idempotency_Key="file")
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_token_is_asked_for_before_a_byte_is_received(serve: Serve) -> None:
    service = serve(trigger_token="right")
    assert send(service, CSV).status_code == 401
    assert list(service.objects.keys("datasets/")) == []


def test_those_who_send_slowly_hold_up_nobody_else(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SILENCE_SECONDS", 0.5)
    service = serve(max_uploads=2)
    host, port = service.url.removeprefix("http://").split(":")
    head = b"POST /trigger HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\nPass"
    slow = [socket.create_connection((host, int(port))) for _ in range(2)]
    for connection in slow:
        connection.sendall(head)
    time.sleep(0.2)
    refused = send(service, CSV)
    assert (refused.status_code, refused.json()["code"]) == (503, "uploads_full")
    assert "Retry-After" in refused.headers
    assert service.client.get("/health").status_code == 200
    assert service.client.post("/trigger", json={"data_url": "https://a.b/c.csv"}).status_code == 202
    for connection in slow:
        connection.settimeout(PATIENCE)
        assert b"body_incomplete" in connection.recv(4096)
        connection.close()
    assert send(service, CSV).status_code == 202


def test_nothing_of_an_upload_stays_on_the_disk_but_in_the_store(
    service: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda size: send(service, bytes(size)), (10, 1 << 20, 3 << 20)))
    assert [answer.status_code for answer in answers] == [202] * 3
    assert list(tmp_path.iterdir()) == []
