"""The predictor as an application: paths and formats of requests, limits, problems, health, metrics."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from regraft_inference.estimators import Columns
from regraft_inference.model import TaskModel, TaskRepository
from tests.unit.inference.asking import JSON, LIMIT, RECORDS, Client, client_of, v2
from tests.unit.inference.bundles import (
    HEART_ANSWERS,
    HEART_ROWS,
    sha256_of,
    write_heart_bundle,
    write_passwords_bundle,
)

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


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


def test_a_body_may_be_packed_twice_by_two_headers(client: Client) -> None:
    packed = gzip.compress(gzip.compress(b'{"Password": ["a"]}'))
    scope_headers = {"content-encoding": "gzip, gzip"}
    assert client.ask("POST", "/predict", packed, headers=scope_headers).status == 200


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


@pytest.mark.parametrize(("name", "code"), [("nobody", "task_unknown"), ("n" * 5000, "path_unknown")])
def test_asking_for_a_task_that_is_not_there_leaves_no_trace(
    client: Client, name: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.ask("POST", f"/v2/repository/models/{name}/load")
    assert (answer.status, answer.json["code"]) == (404, code)
    assert name.encode() not in client.get("/metrics").body
    assert not caplog.records
