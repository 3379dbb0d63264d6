from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import random
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from regraft_inference.app import Front
from regraft_inference.estimators import Columns
from regraft_inference.model import TaskModel, TaskRepository
from regraft_inference.settings import PredictorSettings
from tests.proofs import some
from tests.unit.inference.bundles import (
    HEART_ANSWERS,
    HEART_ROWS,
    sha256_of,
    write_heart_bundle,
    write_passwords_bundle,
)

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it

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


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("models")
    write_passwords_bundle(folder / "passwords", answer=1.5, version="7")
    write_heart_bundle(folder / "heart-disease", version="3")
    repository = TaskRepository(models_dir=folder)
    repository.load_all()
    client = client_of(repository)
    yield client
    client.runner.close()


@pytest.mark.parametrize("path", ["/predict", "/passwords/predict", "/invocations", "/passwords/invocations"])
@pytest.mark.parametrize(
    "payload",
    [
        {"Password": ["a", "b"]},
        {"dataframe_split": {"columns": ["Password"], "data": [["a"], ["b"]]}},
        {"dataframe_records": [{"Password": "a"}, {"Password": "b"}]},
        {"inputs": {"Password": ["a", "b"]}},
        {"instances": ["a", "b"]},
        {"instances": [["a"], ["b"]], "params": {"temperature": 1}},
        {"inputs": [["a"], ["b"]]},
        [{"Password": "a"}, {"Password": "b"}],
        [["a"], ["b"]],
    ],
)
def test_every_path_and_format_is_answered_by_the_target_column(client: Client, path: str, payload: Any) -> None:
    answer = client.post(path, payload)
    name = "predictions" if path.endswith("/invocations") else "Times"
    assert (answer.status, answer.json) == (200, {name: [1.5, 1.5]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.served_by == ("7", sha256_of("7"))


def test_one_row_may_be_single_values(client: Client) -> None:
    assert client.post("/predict", {"Password": "a"}).json == {"Times": [1.5]}
    assert client.post("/predict", {"inputs": {"Password": "a"}}).json == {"Times": [1.5]}


def test_mlflow_takes_columns_by_their_names_and_predict_in_their_order(client: Client) -> None:
    names = [*reversed(HEART_ROWS)]
    split = {"dataframe_split": {"columns": names, "data": [[HEART_ROWS[name][0] for name in names]]}}
    assert client.post("/heart-disease/invocations", split).status == 200
    assert client.post("/heart-disease/predict", split).json["code"] == "wrong_column_order"


READ = [
    "/",
    "/ping",
    "/version",
    "/metrics",
    "/openapi.json",
    "/health",
    "/passwords/health",
    "/passwords/fit",
    "/schema",
    "/passwords/schema",
    "/v1/models",
    "/v1/models/passwords",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models",
    "/v2/models/passwords",
    "/v2/models/passwords/ready",
    "/nothing",
    "/predict",
]


@pytest.mark.parametrize("path", READ)
def test_head_is_answered_as_get_without_its_body(client: Client, path: str) -> None:
    get, head = client.ask("GET", path), client.ask("HEAD", path)
    assert (head.status, head.body) == (get.status, b"")
    changing = {"date", "regraft-request-id", "content-length"}
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in get.headers.items() if name not in changing
    }
    assert head.headers["content-length"] == get.headers["content-length"] or path in ("/metrics", "/passwords/fit")


@pytest.mark.parametrize("path", ["/predict/", "//predict", "/passwords//predict/"])
def test_a_slash_too_many_is_redirected(client: Client, path: str) -> None:
    answer = client.post(path, {"Password": ["a"]})
    assert (answer.status, answer.headers["location"]) == (307, "/passwords/predict" if "pass" in path else "/predict")


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


def test_nan_is_called_by_its_name(client: Client) -> None:
    answer = client.ask("POST", "/predict", b'{"Password": [NaN]}')
    assert "NaN is no JSON" in answer.json["detail"]


def test_v2_needs_no_content_type_and_says_its_errors_in_the_protocols_own_field(client: Client) -> None:
    tensor = {"name": "Password", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    good = client.ask("POST", "/v2/models/passwords/infer", orjson.dumps({"inputs": [tensor]}))
    assert (good.status, good.json["outputs"][0]["data"]) == (200, [1.5])
    bad = client.ask("POST", "/v2/models/passwords/infer", orjson.dumps({"inputs": [tensor | {"name": "b"}]}))
    assert bad.status == 400
    assert bad.json["error"] == bad.json["detail"]


def test_v2_answers_for_the_version_that_serves_and_for_no_other(client: Client) -> None:
    request = {**v2(), "id": "mine"}
    for path in ("/v2/models/passwords/versions/7/infer", "/v2/models/passwords/infer"):
        answer = client.post(path, request)
        assert (answer.status, answer.json["id"], answer.json["model_version"]) == (200, "mine", "7")
    assert client.get("/v2/models/passwords/versions/7").json["versions"] == ["7"]
    assert client.get("/v2/models/passwords/versions/7/ready").json == {"name": "passwords", "ready": True}
    for answer in (
        client.post("/v2/models/passwords/versions/6/infer", v2()),
        client.get("/v2/models/passwords/versions/x"),
    ):
        assert (answer.status, answer.json["code"]) == (404, "version_not_served")
        assert answer.json["error"] == answer.json["detail"]


TENSOR = {"name": "Password", "datatype": "BYTES", "shape": [1], "data": ["a"]}
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ("/predict", {"Password": ["a"]}),
        ("/invocations", {"inputs": ["a"]}),
        ("/v1/models/passwords:predict", {"instances": ["a"]}),
        ("/v2/models/passwords/infer", {"inputs": [TENSOR]}),
    ],
)
def test_in_every_protocol_a_mark_before_the_json_says_nothing_and_a_key_stands_once(
    client: Client, path: str, payload: dict[str, Any]
) -> None:
    text = orjson.dumps(payload)
    assert client.ask("POST", path, BOM + text, headers=JSON).status == 200
    key = next(iter(payload))
    twice = b'{"%s": [], %s' % (key.encode(), text[1:])
    assert client.ask("POST", path, twice, headers=JSON).json["code"] == "duplicate_key"


def test_a_body_may_be_packed_twice_by_two_headers(client: Client) -> None:
    packed = gzip.compress(gzip.compress(b'{"Password": ["a"]}'))
    scope_headers = {"content-encoding": "gzip, gzip"}
    assert client.ask("POST", "/predict", packed, headers=scope_headers).status == 200


def test_v2_names_its_binary_extension(client: Client) -> None:
    assert client.get("/v2").json["extensions"] == ["binary_tensor_data"]


def test_columns_of_another_task_are_told_where_they_belong(client: Client) -> None:
    assert "/heart-disease/predict" in client.post("/predict", HEART_ROWS).json["detail"]
    assert "/passwords/predict" in client.post("/heart-disease/predict", {"Password": ["a"]}).json["detail"]


def test_pages_of_other_origins_may_ask_where_a_setting_says_so(client: Client) -> None:
    asking = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    assert client.ask("OPTIONS", "/predict", headers=asking).status == 405
    open_to_one = client_of(client.app._repository, cors_origins=["https://app.example.com"])
    allowed = open_to_one.ask("OPTIONS", "/predict", headers=asking)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example.com")
    refused = open_to_one.ask("OPTIONS", "/predict", headers=asking | {"origin": "https://x.example.com"})
    assert (refused.status, refused.json["code"]) == (400, "origin_not_allowed")
    assert "access-control-allow-origin" not in refused.headers
    for payload, status in (({"Password": ["a"]}, 200), ({"Password": []}, 400)):
        answer = open_to_one.post("/predict", payload, JSON | {"origin": "https://app.example.com"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "https://app.example.com")
    scope = {"path": "/predict", "method": "POST", "headers": [(b"origin", b"https://app.example.com")]}
    assert open_to_one.app.short_cut(scope) is None
    assert open_to_one.app.short_cut({**scope, "headers": []}) is not None
    open_to_one.runner.close()


@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        ("http://localhost:*", "http://localhost:3000", True),
        ("http://localhost:*", "http://localhost:3000@example.com", False),
        ("http://localhost:*", "https://localhost:3000", False),
        ("http://localhost", "http://localhost", True),
        ("http://localhost", "http://localhost:3000", False),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("https://app.example.com", "https://appXexample.com", False),
        ("*", "null", True),
        ("https://app.example.com", "null", False),
    ],
)
def test_an_origin_is_listed_as_it_is_or_with_stars(client: Client, listed: str, origin: str, allowed: bool) -> None:
    asking = {"origin": origin, "access-control-request-method": "POST"}
    found = client_of(client.app._repository, cors_origins=[listed])
    assert found.ask("OPTIONS", "/predict", headers=asking).status == (200 if allowed else 400)
    found.runner.close()


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

    async def talk() -> None:
        async with client.app._turns.take():
            waiting = asyncio.create_task(client._ask("POST", "/predict", (body,), JSON))  # its client goes at once
            for _ in range(5):
                await asyncio.sleep(0)
        with pytest.raises(ValueError, match="not enough values"):
            await waiting

    client.runner.run(talk())
    assert asked == []


def test_each_task_has_its_own_paths(client: Client) -> None:
    answer = client.post("/heart-disease/predict", HEART_ROWS)
    assert (answer.json, answer.served_by) == ({"condition": HEART_ANSWERS}, ("3", sha256_of("3")))


@pytest.mark.parametrize(
    "payload", [HEART_ROWS, {"instances": RECORDS}, {"dataframe_records": RECORDS}, {"inputs": HEART_ROWS}]
)
def test_a_classifier_answers_its_probabilities_where_they_are_asked_for(client: Client, payload: Any) -> None:
    answer = client.post("/heart-disease/predict", payload | {"probabilities": True})
    assert answer.json == {"condition": HEART_ANSWERS, "condition_probability": [0.0, 1.0, 0.0, 1.0]}
    assert client.post("/heart-disease/predict", payload | {"probabilities": False}).json == {
        "condition": HEART_ANSWERS
    }


def test_a_regression_has_no_probabilities_and_takes_the_word_as_a_value(client: Client) -> None:
    refused = client.post("/predict", {"Password": ["a"], "probabilities": True})
    assert (refused.status, refused.json["code"]) == (400, "no_probabilities")
    assert client.post("/predict", {"Password": ["probabilities"]}).json == {"Times": [1.5]}


def test_a_large_request_in_parts_is_answered(client: Client) -> None:
    body = orjson.dumps({"Password": ["a"] * 5000 + []})
    parts = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    answer = client.ask("POST", "/predict", *parts)
    assert (answer.status, len(answer.json["Times"])) == (200, 5000)


def test_a_broken_request_gets_problem_details(client: Client) -> None:
    answer = client.post("/predict", {"Password": ["a", None]})
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.served_by == ("7", sha256_of("7"))
    assert answer.json | {"detail": ""} == {
        "type": "urn:regraft:problem:value_missing",
        "title": "The request breaks the contract",
        "status": 400,
        "detail": "",
        "code": "value_missing",
        "column": "Password",
        "row": 1,
        "rule": "not null",
    }


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


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("POST", "/health", "GET"), ("DELETE", "/v2/models/passwords/infer", "POST")],
)
def test_another_method_gets_405(client: Client, method: str, path: str, allowed: str) -> None:
    answer = client.ask(method, path)
    assert (answer.status, answer.json["code"], answer.headers["allow"]) == (405, "method_not_allowed", allowed)


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/wine/predict",
        "/v1/models/wine:predict",
        "/v1/models/passwords:explain",
        "/v2/models/wine/infer",
        "/v2/repository/models/passwords/unload",
        "/v2/repository/models/../passwords/load",
        "/docs",
    ],
)
def test_an_unknown_path_or_task_gets_404(client: Client, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.ask(method, path, b"{}")
        assert (answer.status, answer.json["code"]) == (404, "path_unknown")
        assert answer.served_by == ("7", sha256_of("7"))


def test_health_names_the_versions_that_serve(client: Client) -> None:
    answer = client.get("/health")
    assert answer.status == 200
    assert [(model["task"], model["version"]) for model in answer.json["models"]] == [
        ("heart-disease", "3"),
        ("passwords", "7"),
    ]
    assert client.get("/heart-disease/health").json["models"][0]["data_sha256"] == sha256_of("3")


def test_the_schema_is_the_contract(client: Client) -> None:
    schema = client.get("/heart-disease/schema").json
    assert list(schema["request"]["properties"]) == [*HEART_ROWS, "probabilities"]
    assert list(schema["answer"]["properties"]) == ["condition", "condition_probability"]
    assert schema["answer"]["required"] == ["condition"]
    assert list(client.get("/passwords/schema").json["request"]["properties"]) == ["Password", "explain"]
    assert client.get("/schema").json["task"] == "passwords"


def test_metrics_count_requests_and_rows(client: Client) -> None:
    def samples() -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(client.get("/metrics").body.decode())
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }

    before = samples()
    client.post("/passwords/predict", {"Password": ["a"] * 5})
    after = samples()
    rows = ("regraft_predictor_rows_total", "passwords")
    requests = ("regraft_predictor_requests_total", "/{task}/predict", "200", "passwords")
    key = ("regraft_predictor_requests_total", *sorted(requests[1:]))
    assert after[rows] - before[rows] == 5
    assert after[key] - before.get(key, 0) == 1
    assert after["regraft_predictor_model_ready", "passwords"] == 1


def test_v1_takes_records_and_values(client: Client) -> None:
    assert client.post("/v1/models/passwords:predict", {"instances": ["a"]}).json == {"predictions": [1.5]}
    answer = client.post("/v1/models/heart-disease:predict", {"instances": RECORDS})
    assert (answer.json, answer.served_by) == ({"predictions": HEART_ANSWERS}, ("3", sha256_of("3")))
    answer = client.post("/v1/models/passwords:predict", {"instances": ["a"] * 500}, {"content-type": "text/plain"})
    assert len(answer.json["predictions"]) == 500


def v2(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "Password", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
    return {"id": "one", "inputs": [{**tensor, **changes}]}


def test_v2_answers_with_the_target_as_tensor(client: Client) -> None:
    answer = client.post("/v2/models/passwords/infer", v2())
    assert (answer.status, answer.served_by) == (200, ("7", sha256_of("7")))
    assert (answer.json["id"], answer.json["model_name"], answer.json["model_version"]) == ("one", "passwords", "7")
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"], output["data"]) == ("Times", "FP64", [2], [1.5, 1.5])


def binary(header: Any, *data: bytes) -> tuple[bytes, dict[str, str]]:
    text = orjson.dumps(header)
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    return text + b"".join(data), headers


def strings(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def binary_tensor(name: str, datatype: str, rows: int, data: bytes) -> dict[str, Any]:
    return {"name": name, "shape": [rows], "datatype": datatype, "parameters": {"binary_data_size": len(data)}}


@pytest.mark.parametrize("rest", [b"", strings(b"a") + b"z", strings(b"a")[:-1]])
def test_what_follows_the_json_is_just_the_tensors(client: Client, rest: bytes) -> None:
    tensor = binary_tensor("Password", "BYTES", 1, strings(b"a"))
    body, headers = binary({"inputs": [tensor]}, rest)
    refused = client.ask("POST", "/v2/models/passwords/infer", body, headers=headers)
    assert (refused.status, refused.json["code"]) == (400, "not_decodable")


def test_a_client_of_the_binary_extension_may_call_it_json(client: Client) -> None:
    body, headers = binary({"inputs": [binary_tensor("Password", "BYTES", 1, strings(b"a"))]}, strings(b"a"))
    assert client.ask("POST", "/v2/models/passwords/infer", body, headers=headers | JSON).status == 200


def test_v2_speaks_the_binary_extension_both_ways(client: Client) -> None:
    columns = {
        "age": np.array(HEART_ROWS["age"], dtype=np.int64).tobytes(),
        "sex": np.array(HEART_ROWS["sex"], dtype=np.uint8).tobytes(),
        "oldpeak": np.array(HEART_ROWS["oldpeak"], dtype=np.float32).tobytes(),
    }
    types = {"age": "INT64", "sex": "UINT8", "oldpeak": "FP32"}
    inputs = [binary_tensor(name, types[name], 4, data) for name, data in columns.items()]
    body, headers = binary({"inputs": inputs, "parameters": {"binary_data_output": True}}, *columns.values())
    answer = client.ask("POST", "/v2/models/heart-disease/infer", body, headers=headers)
    assert (answer.status, answer.served_by) == (200, ("3", sha256_of("3")))
    length = int(answer.headers["inference-header-content-length"])
    assert orjson.loads(answer.body[:length])["outputs"][0]["name"] == "condition"
    assert np.frombuffer(answer.body[length:], dtype=np.int64).tolist() == HEART_ANSWERS


def test_v2_tells_types_and_readiness(client: Client) -> None:
    metadata = client.get("/v2/models/heart-disease").json
    assert [(tensor["name"], tensor["datatype"]) for tensor in metadata["inputs"]] == [
        ("age", "INT64"),
        ("sex", "INT64"),
        ("oldpeak", "FP64"),
    ]
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["condition"]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/passwords/ready", "/v1/models/passwords", "/v2"):
        assert client.get(path).status == 200
    assert client.get("/v1/models").json == {"models": ["heart-disease", "passwords"]}
    assert client.get("/").json == {"status": "alive"}


CLOUD_EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": "test"}


def test_v1_speaks_cloud_events(client: Client) -> None:
    answer = client.post("/v1/models/passwords:predict", {"instances": ["a"]}, JSON | CLOUD_EVENT)
    assert (answer.status, answer.json) == (200, {"predictions": [1.5]})
    assert answer.headers["ce-specversion"] == "1.0"


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/models/passwords:predict", b"{}", JSON),
        ("/v1/models/passwords:predict", b"[]", JSON),
        ("/v1/models/passwords:predict", b"{", JSON),
        ("/v1/models/passwords:predict", b"", JSON),
        ("/v1/models/passwords:predict", b'{"instances": {}}', JSON),
        ("/v1/models/passwords:predict", b'{"instances": [1]}', JSON),
        ("/v1/models/passwords:predict", b'{"instances": [NaN]}', JSON),
        ("/v1/models/passwords:predict", b"7", {"content-type": "text/csv"}),
        ("/v1/models/passwords:predict", b"{}", {"ce-specversion": "1.0"}),
        ("/v1/models/passwords:predict", b"[]", JSON | CLOUD_EVENT),
        ("/v1/models/passwords:predict", b"{}", JSON | CLOUD_EVENT | {"ce-contenttype": "x", "ce-time": "never"}),
        ("/v1/models/passwords:predict", b"{}", {"content-type": "application/cloudevents+json"}),
        ("/v2/models/passwords/infer", b"{}", JSON),
        ("/v2/models/passwords/infer", b"[]", JSON),
        ("/v2/models/passwords/infer", b'"x"', JSON),
        ("/v2/models/passwords/infer", b"{}", {}),
        ("/v2/models/passwords/infer", b'{"inputs": [NaN]}', JSON),
        ("/v2/models/passwords/infer", orjson.dumps(v2(datatype="INT8")), JSON),
        ("/v2/models/passwords/infer", orjson.dumps(v2(datatype="FP16")), JSON),
        ("/v2/models/passwords/infer", orjson.dumps(v2(datatype="")), JSON),
        ("/v2/models/passwords/infer", orjson.dumps(v2(shape=[-1])), JSON),
        ("/v2/models/passwords/infer", orjson.dumps(v2(data=["a", 1])), JSON),
        ("/v2/models/passwords/infer", orjson.dumps(v2(data=["a", "\ud7ff" * 70])), JSON),
        ("/v2/models/passwords/infer", json.dumps(v2(data=["a", "\ud800"])).encode(), JSON),
        ("/v2/models/passwords/infer", orjson.dumps({**v2(), "outputs": [{"name": "x"}]}), JSON),
        ("/v2/models/passwords/infer", b"{}", {"inference-header-content-length": "x"}),
        ("/v2/models/passwords/infer", b"{}", {"inference-header-content-length": "-1"}),
        ("/v2/models/passwords/infer", b"{}", {"inference-header-content-length": "99"}),
        ("/v2/models/passwords/infer", *binary({})),
        ("/v2/models/passwords/infer", *binary([])),
        ("/v2/models/passwords/infer", *binary({"inputs": [{}]})),
        ("/v2/models/passwords/infer", *binary({"inputs": [binary_tensor("Password", "BYTES", 1, b"abc")]})),
        (
            "/v2/models/passwords/infer",
            *binary({"inputs": [binary_tensor("Password", "BYTES", 1, b"1234")]}, b"\xff" * 4),
        ),
        ("/v2/models/passwords/infer", *binary({**v2(), "id": 1})),
        ("/v2/models/passwords/infer", *binary({**v2(), "parameters": []})),
        ("/v2/models/passwords/infer", *binary({**v2(), "outputs": [{"name": "Times", "parameters": 1}]})),
        (
            "/v2/models/passwords/infer",
            *binary({"inputs": [binary_tensor("Password", "BYTES", 1, strings(b"\xff"))]}, strings(b"\xff")),
        ),
    ],
)
def test_what_kserve_cannot_decode_is_the_clients_fault(
    client: Client, path: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = client.ask("POST", path, body, headers=headers)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"]
    assert answer.served_by == ("7", sha256_of("7"))


def test_a_failure_of_our_own_is_a_problem_that_tells_nothing_inside(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(columns: Columns) -> None:
        raise ZeroDivisionError("secret")

    version = client.app._repository.default.version
    assert version is not None
    monkeypatch.setattr(version.bundle, "predict", fail)
    for path in ("/predict", "/v1/models/passwords:predict"):
        answer = client.post(path, {"instances": ["a"]})
        assert (answer.status, answer.json["code"]) == (500, "internal_error")
        assert b"secret" not in answer.body
        assert answer.served_by == ("7", sha256_of("7"))


def test_a_client_that_goes_away_gets_nothing(client: Client) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    client.runner.run(client.app(scope, receive, send))
    assert sent == []


def test_a_server_without_bundles_says_so(tmp_path: Path) -> None:
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    for answer in (client.get("/health"), client.get("/schema"), client.post("/predict", {"Password": ["a"]})):
        assert (answer.status, answer.json["code"]) == (503, "bundle_not_loaded")
        assert answer.served_by == ("none", "none")
        assert answer.headers["retry-after"] == "5"
    assert client.get("/v2/health/ready").status == 503
    assert client.get("/").status == 200
    write_passwords_bundle(tmp_path / "passwords", version="1")
    loaded = client.ask("POST", "/v2/repository/models/passwords/load")
    assert (loaded.status, loaded.json) == (200, {"name": "passwords", "load": True})
    assert loaded.served_by == ("1", sha256_of("1"))
    assert client.post("/passwords/predict", {"Password": ["a"]}).status == 200
    client.runner.close()


def test_a_bundle_of_another_task_is_never_asked(tmp_path: Path) -> None:
    write_heart_bundle(tmp_path / "passwords")
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    assert client.get("/passwords/health").json["code"] == "bundle_of_another_task"
    client.runner.close()


def test_a_bundle_that_fails_its_golden_requests_is_never_asked(tmp_path: Path) -> None:
    folder = write_passwords_bundle(tmp_path / "bundle")
    spoil_golden(folder)
    repository = TaskRepository()
    repository.add(TaskModel("passwords", folder))
    client = client_of(repository)
    for answer in (
        client.get("/health"),
        client.get("/passwords/health"),
        client.get("/v2/models/passwords/ready"),
        client.post("/predict", {"Password": ["a"]}),
        client.post("/v1/models/passwords:predict", {"instances": ["a"]}),
        client.post("/v2/models/passwords/infer", v2()),
    ):
        assert (answer.status, answer.json["code"]) == (503, "golden_mismatch")
    assert client.ask("POST", "/v2/repository/models/passwords/load").status == 404
    client.runner.close()


def spoil_golden(folder: Path) -> None:
    """Change a golden answer, and the checksum with it, as a trainer would have that answered differently."""
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["answers"][3] += 1
    (folder / "golden.json").write_text(json.dumps(golden))
    rewrite_checksum(folder, "golden.json")


def rewrite_checksum(folder: Path, name: str) -> None:
    checksums = json.loads((folder / "checksums.json").read_bytes())
    checksums[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "checksums.json").write_text(json.dumps(checksums))


V1, V1_HEART = "/v1/models/passwords:predict", "/v1/models/heart-disease:predict"
V2, V2_HEART = "/v2/models/passwords/infer", "/v2/models/heart-disease/infer"
HEART = "/heart-disease/predict"
WORDS, ZEROS = strings(b"a", b"bc"), bytes(32)
NUMBERS = np.array([1, 1, 1, 1], dtype=np.int64).tobytes() + ZEROS[:16]
CASES: list[tuple[str, Any, bytes]] = [
    ("/predict", {"Password": ["a", "b"]}, b""),
    ("/passwords/predict", {"instances": ["a", "b"]}, b""),
    (HEART, HEART_ROWS, b""),
    (HEART, {"dataframe_split": {"columns": [*HEART_ROWS], "data": [[1, 1, 1.0]]}}, b""),
    (HEART, {"dataframe_records": RECORDS}, b""),
    (V1_HEART, {"instances": RECORDS}, b""),
    (V1, {"specversion": "1.0", "id": "1", "source": "a", "type": "b", "time": "c", "data": {"instances": ["a"]}}, b""),
    (V2, v2(), b""),
    (V2, {**v2(), "outputs": [{"name": "Times", "parameters": {"binary_data": True}}], "parameters": {"a": 1}}, b""),
    (V2, {"inputs": [binary_tensor("Password", "BYTES", 2, WORDS)], "parameters": {}, "outputs": []}, WORDS),
    (
        V2_HEART,
        {
            "inputs": [
                binary_tensor("age", "INT64", 2, ZEROS[:16]),
                binary_tensor("sex", "INT64", 2, ZEROS[:16]),
                binary_tensor("oldpeak", "FP64", 2, ZEROS[:16]),
            ],
            "parameters": {"binary_data_output": True},
        },
        NUMBERS,
    ),
]
WEIGHTS = [1 if path.startswith("/v") else 5 for path, _, _ in CASES]
PATHS = [*dict.fromkeys(path for path, _, _ in CASES), "/predict/", "/%00"]
DATA = [b"", WORDS, ZEROS, NUMBERS, b"\xff" * 48]
VALUES: list[Any] = [
    *(None, True, -1, 1, 3.5, 2**63, 1e308, "", "a", "x" * 300, [], {}, [[]], ["a"], [1], {"a": 1}, "Password"),
    *("BYTES", "FP16", "BOOL", "INT64", "nonsense", 16, [1], [2], [2, 1], [1, 2], [-1], ["2"], "inputs", "\x00"),
]
FRAGMENTS = [b"null", b"9" * 400, b"[[", b"}", b",", b'"', b"\\ud800", b"\xff", b"\x00", b"NaN", b'"id"', b"\\"]
HEADERS: list[dict[str, str]] = [
    *({}, JSON, JSON, JSON, {"content-type": "application/octet-stream"}, {"content-type": "text/plain; charset=x"}),
    *(JSON | CLOUD_EVENT, CLOUD_EVENT, CLOUD_EVENT | {"ce-time": "x", "ce-contenttype": "application/json"}),
    {"content-type": "application/cloudevents+json"},
]


def changed(value: Any, random_: random.Random, share: float) -> Any:
    """Return a JSON value with about this share of its parts replaced, dropped or doubled."""
    if random_.random() < share:
        return random_.choice(VALUES)
    if isinstance(value, list):
        copies = [part for part in value for _ in range(random_.choices([1, 0, 2], [1, share, share])[0])]
        return [changed(part, random_, share) for part in copies]
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if random_.random() >= share / 2}
        return {key: changed(part, random_, share) for key, part in kept.items()}
    return value


def random_request(random_: random.Random) -> tuple[str, bytes, dict[str, str]]:
    path, payload, data = random_.choices(CASES, WEIGHTS)[0]
    odd = random_.random() < 0.7
    text = orjson.dumps(changed(payload, random_, random_.choice([0.02, 0.1]) if odd else 0))
    headers = dict(random_.choice(HEADERS if odd else [JSON]))
    if odd and random_.random() < 0.2:
        path, data = random_.choice(PATHS), random_.choice(DATA)
    if data:
        headers["inference-header-content-length"] = str(random_.choice([len(text)] * 9 + [0, len(text) // 2, "x"]))
        headers["content-type"] = "application/octet-stream"
    body = bytearray(text + data)
    if odd and random_.random() < 0.2:
        start = random_.randrange(len(body) + 1)
        body[start : start + random_.randrange(8)] = random_.choice(FRAGMENTS)
    return path, bytes(body), headers


@pytest.mark.parametrize("requests", some([2_000, 20_000], short=[2_000]))
def test_random_requests_find_no_500(client: Client, requests: int) -> None:
    random_ = random.Random(20240229)
    found: Counter[tuple[str, int]] = Counter()
    for _ in range(requests):
        method = "GET" if random_.random() < 0.02 else "POST"
        path, body, headers = random_request(random_)
        answer = client.ask(method, path, body, headers=headers)
        found[path, answer.status] += 1
        assert answer.status < 500, (method, path, body, headers, answer.body)
        assert answer.served_by[0] in {"7", "3"}
        if answer.status not in (200, 307):
            assert answer.json["code"], answer.body
    assert {status for _, status in found} - {307} == {200, 400, 404, 405}
    assert all(found[path, 200] > requests / 200 for path, _, _ in CASES), found


@pytest.mark.parametrize(("name", "code"), [("nobody", "task_unknown"), ("n" * 5000, "path_unknown")])
def test_asking_for_a_task_that_is_not_there_leaves_no_trace(
    client: Client, name: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.ask("POST", f"/v2/repository/models/{name}/load")
    assert (answer.status, answer.json["code"]) == (404, code)
    assert name.encode() not in client.get("/metrics").body
    assert not caplog.records
