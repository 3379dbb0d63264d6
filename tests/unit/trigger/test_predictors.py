from __future__ import annotations

from regraft_core.contract import Column as ContractColumn
from regraft_core.contract import Contract
from regraft_trigger.predictors import Column, read_columns


def test_a_contract_becomes_fields() -> None:
    properties = {
        "Password": {"items": {"type": "string", "maxLength": 9, "description": "As typed"}},
        "age": {"items": {"type": "number", "minimum": 18.0, "maximum": 110.0}},
        "sex": {"items": {"type": "integer", "enum": [0, 1]}},
    }

    options = {"probabilities": {"type": "boolean", "default": False}}
    columns = read_columns({"request": {"properties": properties | options, "required": list(properties)}})

    assert columns == [
        Column(name="Password", kind="text", description="As typed", longest=9),
        Column(name="age", kind="number", minimum=18, maximum=110, start="64"),
        Column(name="sex", kind="choice", choices=["0", "1"], integer=True, start="0"),
    ]


def test_the_contract_itself_becomes_fields_of_every_type() -> None:
    contract = Contract(
        task="birds",
        features=(
            ContractColumn(name="mass", type="number", nullable=True, unit="g"),
            ContractColumn(name="ringed", type="boolean"),
            ContractColumn(name="seen_on", type="date", format="%d.%m.%Y"),
            ContractColumn(name="seen_at", type="datetime", nullable=True),
            ContractColumn(name="island", type="string", categories=("a", "b"), nullable=True),
        ),
        target=ContractColumn(name="species", type="string", categories=("x", "y", "z")),
    )
    columns = read_columns({"request": contract.request_schema(probabilities=True)})

    kinds = [(column.name, column.kind, column.optional) for column in columns]
    assert kinds == [
        ("mass", "number", True),
        ("ringed", "choice", False),
        ("seen_on", "date", False),
        ("seen_at", "datetime", True),
        ("island", "choice", True),
    ]
    assert (columns[1].choices, columns[4].choices) == (["false", "true"], ["a", "b"])
