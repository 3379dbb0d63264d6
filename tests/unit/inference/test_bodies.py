"""Bodies of requests: packed, in parts, too large, too many, and of clients that go away."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from regraft_inference.model import TaskRepository
from tests.unit.inference.asking import JSON, LIMIT, Client, client_of
from tests.unit.inference.bundles import (
    write_passwords_bundle,
)

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


def test_bodies_may_be_packed(client: Client) -> None:
    body = orjson.dumps({"Password": ["a"]})
    for coding, packed in (
        ("gzip", gzip.compress(body, mtime=0)),
        ("deflate", zlib.compress(body)),
        ("identity", body),
    ):
        assert client.ask("POST", "/predict", packed, headers={"content-encoding": coding}).json == {"Times": [1.5]}
    refused = client.ask("POST", "/predict", body, headers={"content-encoding": "br"})
    assert (refused.status, refused.json["code"]) == (415, "coding_not_read")
    assert refused.headers["accept-encoding"] == "gzip, deflate"
    bomb = client.ask("POST", "/predict", gzip.compress(bytes(20 << 20)), headers={"content-encoding": "gzip"})
    assert bomb.status == 413


def test_a_body_may_be_packed_twice_by_two_headers(client: Client) -> None:
    packed = gzip.compress(gzip.compress(b'{"Password": ["a"]}'))
    scope_headers = {"content-encoding": "gzip, gzip"}
    assert client.ask("POST", "/predict", packed, headers=scope_headers).status == 200


@pytest.mark.parametrize("path", ["/predict", "/v1/models/passwords:predict", "/v2/models/passwords/infer"])
def test_a_large_body_waits_for_nobody_and_small_ones_go_on(tmp_path: Path, path: str) -> None:
    """What large bodies hold together is bounded, also when they only come slowly; small ones take none of it."""
    write_passwords_bundle(tmp_path / "passwords", answer=1.5)
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository, max_bytes_in_flight=LIMIT)
    share = b" " * (LIMIT - 1)
    body = b'{"Password":["a"]}'

    async def talk() -> list[int]:
        release = asyncio.Event()

        async def hold() -> int:
            parts = iter([share])

            async def receive() -> dict[str, Any]:
                if (part := next(parts, None)) is not None:
                    return {"type": "http.request", "body": part, "more_body": True}
                await release.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                raise AssertionError(message)

            await client.app({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
            return 0

        held = [asyncio.create_task(hold()) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await client._ask("POST", path, (share,), JSON)
        small = await client._ask("POST", "/predict", (body,), JSON)
        release.set()
        await asyncio.gather(*held)
        again = await client._ask("POST", "/predict", (body + share[len(body) :],), JSON)
        assert (refused.json["code"], refused.headers["retry-after"]) == ("too_many_bytes", "1")
        return [refused.status, small.status, again.status]

    assert client.runner.run(talk()) == [503, 200, 200]
    client.runner.close()


def test_nothing_is_predicted_for_a_client_that_has_gone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large bodies wait for their turn; who goes meanwhile is not answered, and costs nothing."""
    monkeypatch.setattr("regraft_inference.app.LARGE_BYTES", 30_000)
    body = orjson.dumps({"Password": ["a" * 30] * 1500})
    version = client.app._repository.default.version
    assert version is not None
    asked: list[bytes] = []
    monkeypatch.setattr(version, "answer", asked.append)

    leaving = replace(client, stays=False)

    async def talk() -> None:
        async with client.app._turns.take():
            waiting = asyncio.create_task(leaving._ask("POST", "/predict", (body,), JSON))
            for _ in range(5):
                await asyncio.sleep(0)
        with pytest.raises(ValueError, match="not enough values"):
            await waiting

    client.runner.run(talk())
    assert asked == []


def test_a_large_request_in_parts_is_answered(client: Client) -> None:
    body = orjson.dumps({"Password": ["a"] * 5000 + []})
    parts = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    answer = client.ask("POST", "/predict", *parts)
    assert (answer.status, len(answer.json["Times"])) == (200, 5000)


@pytest.mark.parametrize("path", ["/predict", "/v1/models/passwords:predict", "/v2/models/passwords/infer"])
@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"x" * (LIMIT + 1)], {}),
        ([b"x" * 40_000] * 1000, {"transfer-encoding": "chunked"}),
        ([], {"content-length": str(LIMIT + 1)}),
    ],
)
def test_a_body_over_the_limit_gets_413(client: Client, path: str, parts: list[bytes], headers: dict[str, str]) -> None:
    answer = client.ask("POST", path, *parts, headers=headers)
    assert (answer.status, answer.json["code"], answer.json["limit"]) == (413, "request_too_large", LIMIT)
    assert answer.headers["connection"] == "close"


def test_a_client_that_goes_away_gets_nothing(client: Client) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    client.runner.run(client.app(scope, receive, send))
    assert sent == []
