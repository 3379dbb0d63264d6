from __future__ import annotations

from regraft_core.listing import first_of


def test_all_names_are_told_where_they_are_few() -> None:
    assert first_of(["a", "b"], 2) == "a, b"


def test_of_many_the_first_are_told_and_how_many_more_there_are() -> None:
    assert first_of([str(number) for number in range(1_202)], 2) == "0, 1 and 1,200 more"
