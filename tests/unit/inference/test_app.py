"""The predictor as an application: paths and formats of requests, problems, health, metrics."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from regraft_inference.estimators import Columns
from tests.unit.inference.asking import RECORDS, Client
from tests.unit.inference.bundles import (
    HEART_ANSWERS,
    HEART_ROWS,
    sha256_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


FORMATS: list[Any] = [
    {"Password": ["a", "b"]},
    {"dataframe_split": {"columns": ["Password"], "data": [["a"], ["b"]]}},
    {"dataframe_records": [{"Password": "a"}, {"Password": "b"}]},
    {"inputs": {"Password": ["a", "b"]}},
    {"instances": ["a", "b"]},
    {"instances": [["a"], ["b"]], "params": {"temperature": 1}},
    {"inputs": [["a"], ["b"]]},
    [{"Password": "a"}, {"Password": "b"}],
    [["a"], ["b"]],
]
SINGLE: list[Any] = [{"Password": "a"}, {"inputs": {"Password": "a"}}]


@pytest.mark.parametrize("path", ["/predict", "/passwords/predict", "/invocations", "/passwords/invocations"])
@pytest.mark.parametrize("payload", FORMATS)
def test_every_path_and_format_is_answered_by_the_target_column(client: Client, path: str, payload: Any) -> None:
    answer = client.post(path, payload)
    name = "predictions" if path.endswith("/invocations") else "Times"
    assert (answer.status, answer.json) == (200, {name: [1.5, 1.5]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.served_by == ("7", sha256_of("7"))


@pytest.mark.parametrize("payload", SINGLE)
def test_one_row_may_be_single_values(client: Client, payload: Any) -> None:
    assert client.post("/predict", payload).json == {"Times": [1.5]}


def test_the_document_says_every_format(client: Client) -> None:
    document = client.get("/openapi.json").json
    for path in ("/passwords/predict", "/passwords/invocations"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        schema = Draft202012Validator(body["schema"])
        assert [payload for payload in (*FORMATS, *SINGLE) if not schema.is_valid(payload)] == []
        assert not schema.is_valid({"Password": [1]})
        assert not schema.is_valid({"instances": [{"Times": 1}]})


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


def test_nan_is_called_by_its_name(client: Client) -> None:
    answer = client.ask("POST", "/predict", b'{"Password": [NaN]}')
    assert "NaN is no JSON" in answer.json["detail"]


def test_columns_of_another_task_are_told_where_they_belong(client: Client) -> None:
    assert "/heart-disease/predict" in client.post("/predict", HEART_ROWS).json["detail"]
    assert "/passwords/predict" in client.post("/heart-disease/predict", {"Password": ["a"]}).json["detail"]


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


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("POST", "/health", "GET, HEAD"), ("DELETE", "/v2/models/passwords/infer", "POST")],
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
