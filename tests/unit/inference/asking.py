"""A client that speaks ASGI to the predictor in this process, and requests as the protocols have them."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Any

import orjson

from regraft_inference.app import Front
from regraft_inference.model import TaskRepository
from regraft_inference.settings import PredictorSettings
from tests.unit.inference.bundles import HEART_ROWS

LIMIT = 100_000
RECORDS = [dict(zip(HEART_ROWS, row, strict=True)) for row in zip(*HEART_ROWS.values(), strict=True)]
JSON = {"content-type": "application/json"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def served_by(self) -> tuple[str, str]:
        return self.headers["regraft-model-version"], self.headers["regraft-data-sha256"]


@dataclass
class Client:
    """Speaks ASGI to an application, each body in as many parts as it is given."""

    app: Front
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    stays: bool = True
    """Whether it waits for answers; else it is gone once it has asked."""

    def ask(self, method: str, path: str, *body: bytes, headers: dict[str, str] | None = None) -> Answer:
        return self.runner.run(self._ask(method, path, body, headers or {}))

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, payload: Any, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("POST", path, orjson.dumps(payload), headers=headers or JSON)

    async def _ask(self, method: str, path: str, body: tuple[bytes, ...], headers: dict[str, str]) -> Answer:
        parts = iter([*body] or [b""])
        left = len(body)
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            nonlocal left
            left -= 1
            part = next(parts, None)
            if part is None and self.stays:
                await asyncio.Event().wait()
            if part is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": left > 0}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
        await self.app(scope, receive, send)
        start, *rest = sent
        headers_sent = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers_sent, b"".join(part["body"] for part in rest))


def client_of(repository: TaskRepository, **settings: Any) -> Client:
    return Client(Front(repository, PredictorSettings(max_request_bytes=LIMIT, background_bytes=20_000, **settings)))


def v2(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "Password", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
    return {"id": "one", "inputs": [{**tensor, **changes}]}


def binary(header: Any, *data: bytes) -> tuple[bytes, dict[str, str]]:
    text = orjson.dumps(header)
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    return text + b"".join(data), headers


def strings(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def binary_tensor(name: str, datatype: str, rows: int, data: bytes) -> dict[str, Any]:
    return {"name": name, "shape": [rows], "datatype": datatype, "parameters": {"binary_data_size": len(data)}}


CLOUD_EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": "test"}
