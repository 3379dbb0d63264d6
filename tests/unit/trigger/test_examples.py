"""Forms begin with a row of the dataset that what serves was trained on."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.serving import Serving
from regraft_core.stores.objects import ObjectStore, open_store
from regraft_trigger.examples import Examples, fullest
from regraft_trigger.predictors import Column, begun

SERVING = Serving(
    task="birds", version="3", run_id="run-a", uri="file:///bundle", since=datetime(2026, 1, 2, tzinfo=UTC)
)


async def serving(task: str) -> Serving | None:
    return SERVING if task == SERVING.task else None


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path.as_uri())


def row(store: ObjectStore, task: str = SERVING.task) -> dict[str, object]:
    return dict(asyncio.run(Examples(store, serving).row(task)))


def put(store: ObjectStore, content: bytes) -> None:
    store.put(layout.golden(SERVING.run_id), content)


def test_it_is_the_row_with_the_fewest_gaps(store: ObjectStore) -> None:
    columns = {"mass": [None, 12.5, 13.0], "island": ["a", None, "b"], "ringed": [None, True, False]}
    put(store, json.dumps({"columns": columns, "answers": ["x", "y", "x"]}).encode())
    assert row(store) == {"mass": 13.0, "island": "b", "ringed": False}


def test_where_there_is_none_a_form_begins_without(store: ObjectStore) -> None:
    assert row(store) == {}
    assert row(store, "fish") == {}
    for content in (
        b"",
        b"[]",
        b"{}",
        b'{"columns": []}',
        b'{"columns": {"a": [1], "b": []}}',
        b'{"columns": {"a": 1}}',
    ):
        put(store, content)
        assert row(store) == {}
    assert fullest({"a": [], "b": []}) == {}


@pytest.mark.parametrize(
    ("column", "value", "start"),
    [
        (Column(name="mass", kind="number", start="5"), 12.5, "12.5"),
        (Column(name="mass", kind="number", start="5"), None, "5"),
        (Column(name="mass", kind="number", start="5"), True, "5"),
        (Column(name="mass", kind="number"), 53.0, "53"),
        (Column(name="age", kind="number", integer=True), 7, "7"),
        (Column(name="host", kind="text"), "10.0", "10.0"),
        (Column(name="name", kind="text"), "Ada", "Ada"),
        (Column(name="sex", kind="choice", integer=True, choices=["0", "1"], start="0"), 1, "1"),
        (Column(name="island", kind="choice", choices=["a", "b"], start="a"), "c", "a"),
        (Column(name="ringed", kind="choice", boolean=True, choices=["false", "true"]), True, "true"),
        (Column(name="seen_on", kind="date"), "2013-01-01", "2013-01-01"),
        (Column(name="seen_at", kind="datetime"), "2013-01-01T10:00:00.000000Z", "2013-01-01T10:00:00"),
        (Column(name="seen_at", kind="datetime"), [1], ""),
    ],
)
def test_a_field_begins_with_a_value_that_it_can_have(column: Column, value: object, start: str) -> None:
    assert begun(column, value).start == start
