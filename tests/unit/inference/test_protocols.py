"""KServe's protocols, V1 and V2: what they answer, and how they refuse."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import orjson
import pytest

from tests.unit.inference.asking import CLOUD_EVENT, JSON, RECORDS, Client, binary, binary_tensor, strings, v2
from tests.unit.inference.bundles import HEART_ANSWERS, HEART_ROWS, sha256_of

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


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


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b"Password\na\n", "it begins with 'Password"),
        (b"Password=a", "send rows as JSON, as /schema says"),
        (b'--b\r\nContent-Disposition: form-data; name="Password"\r\n', "a form is not read here"),
        (b"'a'", "it begins with"),
        (gzip.compress(b"{}", mtime=0), "send it with Content-Encoding: gzip"),
        (b'{"Password": ["a"}', "unexpected character"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v1/models/passwords:predict"])
def test_what_is_no_json_is_told_with_what_to_send(client: Client, path: str, body: bytes, said: str) -> None:
    answer = client.ask("POST", path, body, headers={"content-type": "text/csv"})
    assert (answer.status, answer.json["code"]) == (400, "not_json")
    assert said in answer.json["detail"]


def test_v2_names_its_binary_extension(client: Client) -> None:
    assert client.get("/v2").json["extensions"] == ["binary_tensor_data"]


def test_v1_takes_records_and_values(client: Client) -> None:
    assert client.post("/v1/models/passwords:predict", {"instances": ["a"]}).json == {"predictions": [1.5]}
    answer = client.post("/v1/models/heart-disease:predict", {"instances": RECORDS})
    assert (answer.json, answer.served_by) == ({"predictions": HEART_ANSWERS}, ("3", sha256_of("3")))
    answer = client.post("/v1/models/passwords:predict", {"instances": ["a"] * 500}, {"content-type": "text/plain"})
    assert len(answer.json["predictions"]) == 500


@pytest.mark.parametrize(
    "inputs", [["a", "b"], [["a"], ["b"]], [{"Password": "a"}, {"Password": "b"}], {"Password": ["a", "b"]}]
)
def test_v1_takes_inputs_as_well_as_instances(client: Client, inputs: object) -> None:
    assert client.post("/v1/models/passwords:predict", {"inputs": inputs}).json == {"predictions": [1.5, 1.5]}


def test_an_answer_of_bytes_says_that_it_is_one(client: Client) -> None:
    asked = {**v2(), "parameters": {"binary_data_output": True}}
    answer = client.post("/v2/models/passwords/infer", asked)
    assert (answer.headers["content-type"], answer.status) == ("application/octet-stream", 200)
    assert "inference-header-content-length" in answer.headers


def test_v2_answers_with_the_target_as_tensor(client: Client) -> None:
    answer = client.post("/v2/models/passwords/infer", v2())
    assert (answer.status, answer.served_by) == (200, ("7", sha256_of("7")))
    assert (answer.json["id"], answer.json["model_name"], answer.json["model_version"]) == ("one", "passwords", "7")
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"], output["data"]) == ("Times", "FP64", [2], [1.5, 1.5])


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
