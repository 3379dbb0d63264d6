"""Whatever way requests come, what the trigger service says of them is what was sent."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests import plain
from tests.checker.stack import Stack
from tests.waiting import PATIENCE

TASK = "heart-disease"


def fit(url: str, path: str) -> dict[str, Any]:
    answer = plain.get(f"{url}{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_requests_of_every_protocol_are_counted_once(stack: Stack) -> None:
    predict, trigger = (url.rpartition("/")[0] for url in (stack.predict_url, stack.trigger_url))
    with httpx.Client(base_url=predict, trust_env=False) as client:
        schema = fit(predict, f"/{TASK}/schema")["request"]
        names = schema["required"]
        row = {name: middle(schema["properties"][name]["items"]) for name in names}
        one = {name: [value] for name, value in row.items()}
        before = fit(predict, f"/{TASK}/fit")
        rows = max(50, before["rows"])  # enough of them, whatever other tests of this stack have asked before
        for _ in range(100):  # by the short cut
            assert client.post(f"/{TASK}/predict", json=one).status_code == 200
        many = {name: [value] * rows for name, value in row.items()}
        for path, body in (
            (f"/{TASK}/predict", {"dataframe_records": [row] * rows}),
            (f"/{TASK}/invocations", {"dataframe_split": {"columns": names, "data": [list(row.values())] * rows}}),
            (f"/v1/models/{TASK}:predict", {"instances": [list(row.values())] * rows}),
            (f"/v2/models/{TASK}/infer", {"inputs": tensors(many, schema)}),
        ):
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
        wrong = client.post(f"/{TASK}/predict", json={**one, names[0]: ["old"]})
        assert wrong.status_code == 400
    after = fit(predict, f"/{TASK}/fit")
    assert after["rows"] - before["rows"] == 100 + 4 * rows
    assert after["state"] == "unfit"  # one and the same row again and again
    assert (names[0], "wrong_type") in {(each["column"], each["code"]) for each in after["refused"]}
    collected, deadline = fit(trigger, f"/tasks/{TASK}/fit"), time.monotonic() + PATIENCE
    while not (collected["rows"] >= after["rows"] and collected["refused"]) and time.monotonic() < deadline:
        time.sleep(0.2)
        collected = fit(trigger, f"/tasks/{TASK}/fit")
    assert collected["rows"] >= after["rows"]  # more where a predictor of the same version was replaced before
    assert collected.keys() == after.keys()
    assert [each["name"] for each in collected["columns"]] == [each["name"] for each in after["columns"]]
    assert (names[0], "wrong_type") in {(each["column"], each["code"]) for each in collected["refused"]}


def middle(items: dict[str, Any]) -> float:
    if choices := items.get("enum"):
        return float(choices[0]) if items["type"] == "number" else int(choices[0])
    value = (items["minimum"] + items["maximum"]) / 2
    return int(value) if items["type"] == "integer" else float(value)


def tensors(columns: dict[str, list[Any]], schema: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {"integer": "INT64", "number": "FP64"}
    return [
        {
            "name": name,
            "shape": [len(values)],
            "datatype": kinds[schema["properties"][name]["items"]["type"]],
            "data": values,
        }
        for name, values in columns.items()
    ]
