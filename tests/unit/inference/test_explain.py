"""Reasons of answers, in the format of every protocol."""

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from regraft_inference.app import Front
from regraft_inference.bundle import Bundle
from regraft_inference.estimators.tabular import AdditiveEstimator, BoostedEstimator, TabularEstimator
from regraft_inference.estimators.tree_shap import TreeShap
from regraft_inference.model import TaskRepository, Version
from regraft_inference.settings import PredictorSettings
from tests.unit.inference.asking import JSON, Client, client_of
from tests.unit.inference.bundles import (
    HEART_ROWS,
    write_heart_bundle,
    write_passwords_bundle,
    write_reasoning_bundle,
)

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it

RECORDS = [dict(zip(HEART_ROWS, row, strict=True)) for row in zip(*HEART_ROWS.values(), strict=True)]
ROWS = [list(record.values()) for record in RECORDS]
SPLIT = {"columns": list(HEART_ROWS), "data": ROWS}
EXPLAIN = {"explain": True}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("models")
    write_passwords_bundle(folder / "passwords", answer=1.5)
    write_reasoning_bundle(folder / "heart-disease")
    repository = TaskRepository(models_dir=folder)
    repository.load_all()
    client = client_of(repository)
    yield client
    client.runner.close()


@pytest.fixture(scope="module")
def expected(client: Client) -> dict[str, Any]:
    """Return answers, probabilities and reasons of the rows."""
    asked = HEART_ROWS | EXPLAIN | {"probabilities": True}
    found: dict[str, Any] = client.post("/heart-disease/predict", asked).json
    assert list(found) == ["condition", "condition_probability", "condition_reasons"]
    return found


def test_they_sum_up_to_the_answer(expected: dict[str, Any]) -> None:
    assert len(expected["condition_reasons"]) == len(RECORDS)
    for row, reasons in enumerate(expected["condition_reasons"]):
        assert reasons["scale"] == "log odds that condition is 1"
        added = [one["added"] for one in reasons["columns"]]
        assert {one["column"] for one in reasons["columns"]} == set(HEART_ROWS)
        assert reasons["start"] + sum(added) == pytest.approx(reasons["answer"], abs=1e-9)
        assert [abs(one) for one in added] == sorted((abs(one) for one in added), reverse=True)
        assert 1 / (1 + np.exp(-reasons["answer"])) == pytest.approx(expected["condition_probability"][row], abs=1e-9)
        assert expected["condition"][row] == int(reasons["answer"] > 0)


@pytest.mark.parametrize(
    "payload",
    [
        HEART_ROWS | EXPLAIN,
        {"dataframe_split": SPLIT} | EXPLAIN,
        {"dataframe_split": SPLIT, "params": EXPLAIN},
        {"dataframe_records": RECORDS} | EXPLAIN,
        {"inputs": HEART_ROWS} | EXPLAIN,
        {"inputs": HEART_ROWS, "params": EXPLAIN | {"other": 1}},
        {"instances": RECORDS} | EXPLAIN,
        {"instances": ROWS, "parameters": EXPLAIN},
    ],
)
def test_every_format_may_ask_for_them(client: Client, expected: dict[str, Any], payload: dict[str, Any]) -> None:
    wanted = {"condition": expected["condition"], "condition_reasons": expected["condition_reasons"]}
    assert client.post("/heart-disease/predict", payload).json == wanted
    answer = client.post("/heart-disease/invocations", payload).json
    assert answer == {"predictions": wanted["condition"], "condition_reasons": wanted["condition_reasons"]}
    one_row = {name: values[0] for name, values in HEART_ROWS.items()}
    assert (
        client.post("/heart-disease/predict", one_row | EXPLAIN).json["condition_reasons"]
        == (wanted["condition_reasons"][:1])
    )


def test_v1_has_them_beside_the_predictions(client: Client, expected: dict[str, Any]) -> None:
    path = "/v1/models/heart-disease:predict"
    wanted = {"predictions": expected["condition"], "condition_reasons": expected["condition_reasons"]}
    for asked in ({"parameters": EXPLAIN}, EXPLAIN):
        assert client.post(path, {"instances": RECORDS} | asked).json == wanted
    assert list(client.post(path, {"instances": RECORDS, "parameters": {"explain": False}}).json) == ["predictions"]
    many = client.post(path, {"instances": RECORDS * 100, "parameters": EXPLAIN}).json
    assert many["condition_reasons"] == expected["condition_reasons"] * 100


def tensors() -> list[dict[str, Any]]:
    types = {"age": "INT64", "sex": "INT64", "oldpeak": "FP64"}
    return [
        {"name": name, "datatype": types[name], "shape": [len(values)], "data": values}
        for name, values in HEART_ROWS.items()
    ]


def test_v2_has_them_in_an_output_of_their_own(client: Client, expected: dict[str, Any]) -> None:
    path = "/v2/models/heart-disease/infer"
    answer = client.post(path, {"inputs": tensors(), "parameters": EXPLAIN}).json
    values, reasons = answer["outputs"]
    assert (values["name"], values["data"]) == ("condition", expected["condition"])
    assert (reasons["name"], reasons["datatype"], reasons["shape"]) == ("condition_reasons", "BYTES", [4])
    assert [orjson.loads(text) for text in reasons["data"]] == expected["condition_reasons"]
    assert len(client.post(path, {"inputs": tensors()}).json["outputs"]) == 1
    wanted = {"outputs": [{"name": "condition_reasons"}, {"name": "condition"}], "parameters": EXPLAIN}
    assert len(client.post(path, {"inputs": tensors()} | wanted).json["outputs"]) == 2
    refused = client.post(path, {"inputs": tensors(), "outputs": [{"name": "condition_reasons"}]})
    assert (refused.status, refused.json["code"]) == (400, "unknown_output")
    assert "'explain': true" in refused.json["detail"]


def test_v2_names_the_outputs_that_there_are(client: Client) -> None:
    for task, inputs, told in (
        ("heart-disease", tensors(), "there is: condition, and condition_reasons where"),
        ("passwords", [{"name": "Password", "datatype": "BYTES", "shape": [1], "data": ["a"]}], "there is: Times"),
    ):
        asked = {"inputs": inputs, "outputs": [{"name": "risk"}]}
        answer = client.post(f"/v2/models/{task}/infer", asked)
        assert (answer.status, answer.json["code"]) == (400, "unknown_output")
        assert told in answer.json["detail"]


def test_v2_has_them_in_binary(client: Client, expected: dict[str, Any]) -> None:
    asked = {"inputs": tensors(), "parameters": EXPLAIN | {"binary_data_output": True}}
    body = orjson.dumps(asked)
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(body))}
    answer = client.ask("POST", "/v2/models/heart-disease/infer", body, headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    values, reasons = orjson.loads(answer.body[:length])["outputs"]
    start = length + values["parameters"]["binary_data_size"]
    rest = answer.body[start : start + reasons["parameters"]["binary_data_size"]]
    (size,) = struct.unpack("<I", rest[:4])
    assert orjson.loads(rest[4 : 4 + size]) == expected["condition_reasons"][0]


def test_where_there_are_none_the_request_is_refused(tmp_path: Path) -> None:
    assert not Bundle.load(write_heart_bundle(tmp_path / "heart-disease")).gives_reasons
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    for path, asked in (
        ("/predict", HEART_ROWS | EXPLAIN),
        ("/invocations", {"dataframe_split": SPLIT, "params": EXPLAIN}),
        ("/v1/models/heart-disease:predict", {"instances": RECORDS, "parameters": EXPLAIN}),
        ("/v2/models/heart-disease/infer", {"inputs": tensors(), "parameters": EXPLAIN}),
    ):
        answer = client.post(path, asked)
        assert (answer.status, answer.json["code"]) == (400, "no_reasons"), path
    client.runner.close()


@pytest.mark.parametrize("asks", [1, "true", "yes", 0.0])
def test_it_must_be_true_or_false(client: Client, asks: Any) -> None:
    for path, asked in (
        ("/heart-disease/predict", HEART_ROWS | {"explain": asks}),
        ("/heart-disease/invocations", {"dataframe_split": SPLIT, "params": {"explain": asks}}),
        ("/v1/models/heart-disease:predict", {"instances": RECORDS, "parameters": {"explain": asks}}),
        ("/v2/models/heart-disease/infer", {"inputs": tensors(), "parameters": {"explain": asks}}),
    ):
        answer = client.post(path, asked)
        assert (answer.status, answer.json["code"]) == (400, "wrong_type"), path


def test_all_of_a_number_is_of_an_only_column(client: Client) -> None:
    answer = client.post("/predict", {"Password": ["a"], "explain": True}).json
    (reasons,) = answer["Times_reasons"]
    assert reasons == {
        "scale": "Times",
        "start": 0.0,
        "columns": [{"column": "Password", "added": 1.5}],
        "answer": 1.5,
    }


def test_the_schema_tells_of_them(client: Client) -> None:
    schema = client.get("/heart-disease/schema").json
    assert list(schema["request"]["properties"]) == [*HEART_ROWS, "probabilities", "explain"]
    items = schema["answer"]["properties"]["condition_reasons"]["items"]
    assert items["required"] == ["scale", "start", "columns", "answer"]
    document = client.get("/openapi.json").json
    said = document["paths"]["/heart-disease/invocations"]["post"]["responses"]["200"]["content"]["application/json"]
    assert set(said["schema"]["properties"]) == {"predictions", "condition_probability", "condition_reasons"}


ROW = {name: values[:1] for name, values in HEART_ROWS.items()}
ESCAPED = b'"expl\\u0061in"'


def ways_to_ask() -> list[tuple[str, bytes]]:
    asked: list[tuple[str, Any]] = [
        ("/predict", ROW | EXPLAIN),
        ("/predict", ROW | EXPLAIN | {"probabilities": True}),
        ("/invocations", {"dataframe_split": SPLIT, "params": EXPLAIN}),
        ("/v1/models/heart-disease:predict", {"instances": ROWS[:1], "parameters": EXPLAIN}),
        ("/v2/models/heart-disease/infer", {"inputs": tensors(), "parameters": EXPLAIN}),
    ]
    plain = [(path, orjson.dumps(payload)) for path, payload in asked]
    return [*plain, *((path, body.replace(b'"explain"', ESCAPED)) for path, body in plain)]


@pytest.mark.parametrize("kind", [AdditiveEstimator, BoostedEstimator])
def test_slow_reasons_are_found_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[TabularEstimator]
) -> None:
    monkeypatch.setattr(TreeShap, "fits", lambda _: False)  # as of trees of many leaves
    write_reasoning_bundle(tmp_path / "heart-disease", kind=kind)
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = Client(Front(repository, PredictorSettings()))
    threads: list[threading.Thread] = []
    explained = Bundle.predict_explained

    def seen(bundle: Bundle, columns: Any) -> Any:
        threads.append(threading.current_thread())
        return explained(bundle, columns)

    monkeypatch.setattr(Bundle, "predict_explained", seen)
    version = repository.default.version
    assert version is not None
    for path, body in ways_to_ask():
        assert client.ask("POST", path, body, headers=JSON).status == 200, body
        if kind is BoostedEstimator:
            assert threads.pop() is not threading.main_thread(), body
            assert version.is_slow(body)
        elif ESCAPED not in body:
            assert threads.pop() is threading.main_thread(), body
    if kind is BoostedEstimator:
        assert not version.answer_soon(b"1", orjson.dumps(HEART_ROWS | EXPLAIN), lambda _: None)
    assert not version.is_slow(orjson.dumps(HEART_ROWS))
    assert not version.is_slow(orjson.dumps(HEART_ROWS | {"probabilities": True}))
    client.runner.close()


def test_reasons_of_small_trees_are_slow_once(tmp_path: Path) -> None:
    write_reasoning_bundle(tmp_path / "heart-disease", kind=BoostedEstimator)
    version = Version.load(tmp_path / "heart-disease", "heart-disease")
    body = orjson.dumps(HEART_ROWS | EXPLAIN)
    assert version.is_slow(body)
    assert not version.answer_soon(b"1", body, lambda _: None)
    first = version.answer(b"1", body)
    assert not version.is_slow(body)
    assert version.answer(b"1", body) == first
