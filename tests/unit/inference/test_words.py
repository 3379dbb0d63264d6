"""Words of a request that the contract lists: blanks around them are no part of them, as in a CSV."""

from __future__ import annotations

import pytest

from regraft_core.contract import Column
from regraft_core.errors import ContractError
from regraft_inference.values import reader_of
from regraft_inference.words import MOST_PLACES, Choices

CATEGORIES = ("Private", "Gov", " odd ")


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize(
    ("sent", "meant"),
    [("Private", "Private"), (" Private", "Private"), ("Gov\t", "Gov"), (" odd ", " odd ")],
)
def test_blanks_around_a_word_are_no_part_of_it(sent: str, meant: str, nullable: bool) -> None:
    reader = reader_of(Column(name="work", type="string", categories=CATEGORIES, nullable=nullable))
    assert reader.read(["Gov", sent]) == ["Gov", meant]


@pytest.mark.parametrize("sent", ["private", "odd", "Pri vate", "", " ", ["Private"], 1])
def test_another_word_is_none_of_them(sent: object) -> None:
    reader = reader_of(Column(name="work", type="string", categories=CATEGORIES))
    with pytest.raises(ContractError) as found:
        reader.read(["Gov", sent])
    assert found.value.details["row"] == 1


def test_an_open_text_keeps_its_blanks() -> None:
    assert reader_of(Column(name="note", type="text")).read([" a ", "a"]) == [" a ", "a"]


@pytest.mark.parametrize("sent", [[], ["Gov"], ["Gov", " odd ", "Private", "Gov"], ["Gov ", "Private"]])
def test_words_of_categories_know_their_places(sent: list[str]) -> None:
    found = reader_of(Column(name="work", type="string", categories=CATEGORIES)).read(sent)
    assert isinstance(found, Choices)
    assert [CATEGORIES[place] for place in found.places] == found


@pytest.mark.parametrize("categories", [MOST_PLACES, MOST_PLACES + 1])
def test_more_categories_than_a_byte_can_tell_are_words_alone(categories: int) -> None:
    words = [f"word {number}" for number in range(categories)]
    found = reader_of(Column(name="work", type="string", categories=tuple(words))).read(words)
    assert found == words
    assert isinstance(found, Choices) == (categories == MOST_PLACES)
