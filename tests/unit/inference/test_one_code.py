"""One rule of the contract has one code, in a CSV and in a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from regraft_core.contract import Column, Contract
from regraft_core.definition.gates import GateSettings
from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader
from regraft_pipeline.gates import structure
from regraft_pipeline.tasks import Task


def nothing() -> NoReturn:
    raise NotImplementedError


CONTRACT = Contract(
    task="codes",
    features=(
        Column(name="positive", type="number", minimum=0, maximum=100),
        Column(name="cold", type="number", minimum=-50),
        Column(name="count", type="integer"),
        Column(name="word", type="string", min_length=2, max_length=5),
        Column(name="kind", type="string", categories=("a", "b")),
        Column(name="code", type="integer", categories=(1, 2)),
        Column(name="day", type="date"),
        Column(name="at", type="datetime"),
        Column(name="true", type="boolean"),
    ),
    target=Column(name="target", type="number"),
)
GOOD: dict[str, Any] = {
    "positive": 1.5,
    "cold": -1,
    "count": 3,
    "word": "abc",
    "kind": "a",
    "code": 1,
    "day": "2026-01-31",
    "at": "2026-01-31T14:05:00",
    "true": True,
}
BROKEN = [
    ("positive", -1, "value_negative"),
    ("positive", 101, "value_too_large"),
    ("cold", -51, "value_too_small"),
    ("count", 2.5, "value_not_integer"),
    ("word", "a", "value_too_short"),
    ("word", "abcdef", "value_too_long"),
    ("kind", "c", "value_not_in_categories"),
    ("code", 3, "value_not_in_categories"),
    ("day", "31.01.2026", "value_not_date"),
    ("day", "2026-02-30", "value_not_date"),
    ("day", "2026-01-31T14:05:00", "value_not_date"),
    ("at", "14:05", "value_not_date"),
    ("positive", None, "value_missing"),
    ("day", None, "value_missing"),
    ("kind", None, "value_missing"),
    ("true", None, "value_missing"),
]


def test_what_is_good_is_good_in_both() -> None:
    RequestReader(CONTRACT).read_payload([GOOD])


@pytest.mark.parametrize(("column", "value", "code"), BROKEN)
def test_a_rule_has_one_code(tmp_path: Path, column: str, value: object, code: str) -> None:
    row = GOOD | {column: value}
    with pytest.raises(ContractError) as found:
        RequestReader(CONTRACT).read_payload([GOOD, row])
    assert (found.value.code, found.value.details["column"], found.value.details["row"]) == (code, column, 1)

    task = Task("codes", CONTRACT, "regression", nothing, nothing, gates=GateSettings(min_rows=1))
    rows = [[*GOOD, "target"], [*GOOD.values(), 1], [*row.values(), 2]]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(",".join("" if cell is None else str(cell) for cell in line) for line in rows) + "\n")
    told = {(reason.code, reason.column) for reason in structure.check(path, task, tmp_path).reasons}
    assert (code, column) in told
