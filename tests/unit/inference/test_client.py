from __future__ import annotations

import pytest

from regraft_core.contract import Contract
from regraft_inference import client as request
from regraft_inference.formats import RequestReader
from tests.unit.inference.bundles import HEART, PASSWORDS


@pytest.mark.parametrize("contract", [PASSWORDS, HEART], ids=lambda contract: contract.task)
@pytest.mark.parametrize("rows", [1, 3, 50])
def test_an_example_keeps_the_contract(contract: Contract, rows: int) -> None:
    made = request.example(contract.request_schema(), rows)
    columns = RequestReader(contract).read_payload(made)
    assert {len(values) for values in columns.values()} == {rows}


def test_values_stay_within_what_a_column_allows() -> None:
    items = {
        "short": {"type": "string", "minLength": 4, "maxLength": 6},
        "whole": {"type": "integer", "minimum": 10},
        "real": {"type": "number", "maximum": -1, "minimum": -2},
        "one": {"enum": [7]},
    }
    made = request.example(
        {"properties": {name: {"items": item} for name, item in items.items()}, "required": list(items)}, 5
    )
    assert {len(word) for word in made["short"]} <= {4, 5, 6}
    assert all(type(value) is int and value >= 10 for value in made["whole"])
    assert all(-2 <= value <= -1 for value in made["real"])
    assert made["one"] == [7] * 5


def test_a_predictor_that_is_not_there_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert request.main(["http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith("no predictor answers at http://127.0.0.1:9: ")
