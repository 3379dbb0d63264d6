"""Whatever a client sends, the predictor answers with a status of its own, and never with a 500."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import orjson
import pytest

from tests.proofs import some
from tests.unit.inference.asking import CLOUD_EVENT, JSON, RECORDS, Client, binary_tensor, strings, v2
from tests.unit.inference.bundles import HEART_ROWS

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it

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
