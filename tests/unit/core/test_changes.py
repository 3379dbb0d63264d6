"""What clients notice when a contract takes the place of another one."""

from typing import Any

import pytest

from regraft_core.changes import NOT_COMPARED, announced, changes, comparable
from regraft_core.contract import Column, Contract

MASS: dict[str, Any] = {"name": "mass", "type": "number", "minimum": 0, "maximum": 9000, "unit": "g", "nullable": True}
ISLAND: dict[str, Any] = {"name": "island", "type": "string", "categories": ("Biscoe", "Dream")}
NOTES: dict[str, Any] = {"name": "notes", "type": "text"}
SPECIES: dict[str, Any] = {"name": "species", "type": "string", "categories": ("Adelie", "Gentoo")}


def contract(*features: dict[str, Any], target: dict[str, Any] = SPECIES, **more: Any) -> Contract:
    columns = tuple(Column(**one) for one in features or (MASS, ISLAND, NOTES))
    return Contract(task="penguins", features=columns, target=Column(**target), **more)


NOW = contract()

NARROWED = [
    (contract(MASS, ISLAND), "notes", "is gone: requests that have it are refused"),
    (contract(MASS, ISLAND, ignored=("notes",)), "notes", "is left aside"),
    (contract(MASS, ISLAND, extra_columns="ignore"), "notes", "is left aside"),
    (contract(MASS, ISLAND, NOTES, {"name": "sex", "type": "boolean"}), "sex", "is new: requests without it"),
    (contract(ISLAND, MASS, NOTES), "island", "another order"),
    (contract(MASS | {"type": "integer"}, ISLAND, NOTES), "mass", "is of type integer, which was number"),
    (contract(MASS | {"unit": "kg"}, ISLAND, NOTES), "mass", "is in kg, which was g"),
    (contract(MASS | {"nullable": False}, ISLAND, NOTES), "mass", "null is refused"),
    (contract(MASS | {"minimum": 100}, ISLAND, NOTES), "mass", "below 100 is refused"),
    (contract(MASS | {"maximum": 8000}, ISLAND, NOTES), "mass", "above 8000 is refused"),
    (contract(MASS, ISLAND | {"categories": ("Dream", "Torgersen")}, NOTES), "island", "has lost Biscoe"),
    (contract(MASS, ISLAND, NOTES | {"max_length": 100}), "notes", "1 to 100 characters"),
    (contract(target=SPECIES | {"name": "kind"}), "kind", "answers are named 'kind' instead of 'species'"),
    (contract(target={"name": "species", "type": "boolean"}), "species", "of type boolean instead of string"),
    (contract(target=SPECIES | {"categories": ("Adelie", "Chinstrap")}), "species", "new: Chinstrap; gone: Gentoo"),
    (contract(max_request_rows=100), "species", "more than 100 rows are refused"),
]


@pytest.mark.parametrize(("then", "column", "told"), NARROWED)
def test_what_clients_notice_is_named_by_column(then: Contract, column: str, told: str) -> None:
    (change,) = changes(NOW, then)
    assert change.column == column
    assert told in change.message
    first, *rest = (one.message for one in announced(NOW, then))
    assert first == f"from the next promotion on: {change.message}"
    assert rest == ([] if comparable(NOW, then) else [NOT_COMPARED.message])


@pytest.mark.parametrize(
    "then",
    [
        NOW,
        contract(MASS | {"minimum": -5, "maximum": None, "description": "how heavy"}, ISLAND, NOTES),
        contract(MASS, ISLAND | {"categories": ("Dream", "Biscoe", "Torgersen"), "nullable": True}, NOTES),
        contract(MASS, {"name": "island", "type": "string"}, NOTES),
        contract(target=SPECIES | {"categories": ("Gentoo", "Adelie")}),
        contract(max_request_rows=50_000),
    ],
)
def test_what_allows_more_is_no_change(then: Contract) -> None:
    assert changes(NOW, then) == []


def test_what_allows_more_is_told_where_the_models_cannot_be_compared() -> None:
    wider = contract(MASS, ISLAND | {"nullable": True}, NOTES)
    assert [one.message for one in announced(NOW, wider)] == [NOT_COMPARED.message]
    assert announced(NOW, NOW) == []


def test_whole_numbers_may_become_numbers_and_not_the_other_way() -> None:
    whole, any_number = ({"name": "age", "type": kind} for kind in ("integer", "number"))
    assert changes(contract(whole), contract(any_number)) == []
    assert len(changes(contract(any_number), contract(whole))) == 1


def test_models_are_compared_where_the_same_is_asked_and_answered() -> None:
    assert comparable(NOW, contract(MASS | {"description": "how heavy"}, ISLAND, NOTES))
    assert not comparable(NOW, contract(MASS, ISLAND))
    assert not comparable(NOW, contract(target=SPECIES | {"categories": ("Adelie", "Chinstrap")}))
    assert not comparable(NOW, contract(target=SPECIES | {"name": "kind"}))
