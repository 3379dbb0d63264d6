import pytest
from pydantic import ValidationError

from regraft_core.contract import Column, Contract

CONTRACT = Contract(
    task="houses",
    features=(
        Column(name="street", type="string", description="Name of the street", max_length=40),
        Column(name="area", type="number", unit="square metres", description="Living area", minimum=1, maximum=1000),
        Column(name="kind", type="integer", categories=(0, 1, 2)),
    ),
    target=Column(name="price", type="number", minimum=0),
    max_request_rows=5,
)


def test_columns_are_the_features_in_order_and_then_the_target() -> None:
    assert CONTRACT.feature_names == ["street", "area", "kind"]
    assert [column.name for column in CONTRACT.columns] == ["street", "area", "kind", "price"]


@pytest.mark.parametrize(
    ("name", "unit", "told"),
    [("Distance in km", "km", None), ("Distance (km)", "km", None), ("temp", "m", "[m]"), ("Luft %", "%", None)],
)
def test_a_unit_is_told_once(name: str, unit: str, told: str | None) -> None:
    assert Column(name=name, type="number", unit=unit).json_schema().get("description") == told


def test_how_files_write_a_column_is_told_where_it_is_not_as_json_does() -> None:
    written = Column(name="seen_on", type="date", format="%d.%m.%Y").json_schema()
    assert written == {"type": "string", "format": "date", "x-file-format": "%d.%m.%Y"}


def test_the_request_schema_says_all_that_the_contract_says() -> None:
    schema = CONTRACT.request_schema()
    assert schema["required"] == ["street", "area", "kind"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["street"]["items"] == {
        "type": "string",
        "description": "Name of the street",
        "minLength": 1,
        "maxLength": 40,
    }
    assert schema["properties"]["area"]["items"] == {
        "type": "number",
        "description": "Living area [square metres]",
        "minimum": 1,
        "maximum": 1000,
    }
    assert schema["properties"]["kind"]["items"] == {"type": "integer", "enum": [0, 1, 2]}
    assert schema["properties"]["kind"]["maxItems"] == 5


def test_the_answer_schema_names_the_target() -> None:
    assert CONTRACT.answer_schema()["properties"] == {
        "price": {"type": "array", "items": {"type": "number", "minimum": 0}}
    }


def test_a_contract_survives_json() -> None:
    assert Contract.model_validate_json(CONTRACT.model_dump_json()) == CONTRACT


@pytest.mark.parametrize("features", [(), (Column(name="price", type="number"),)])
def test_a_contract_without_features_or_with_a_name_used_twice_is_refused(features: tuple[Column, ...]) -> None:
    with pytest.raises(ValidationError, match=r"a name of its own|could tell of the target"):
        Contract(task="houses", features=features, target=Column(name="price", type="number"))
