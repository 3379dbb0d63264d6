"""Dates in more forms than one, and what is none among them."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from regraft_core.errors import BadRequestError
from regraft_pipeline.init import draft
from regraft_pipeline.init.kinds import kind_of
from regraft_pipeline.init.table import read_table

CURE = "write all in one form, best like 2026-01-31, and leave empty what is not known"
DAYS = pd.date_range("2024-01-31", periods=80)


def note(*values: str) -> str:
    found = kind_of(pd.Series(values, index=range(2, len(values) + 2), dtype=object), name="seen")
    assert found.type == "string"
    return "; ".join(found.notes)


def test_each_form_is_named_with_an_example_and_its_line() -> None:
    assert note("2024-01-31", "2024-02-01", "01.03.2024", "2024-02-03") == (
        "dates in 2 forms: like 2026-01-31, as ISO 8601 has it ('2024-01-31' on line 2) "
        f"and like 31.01.2026, %d.%m.%Y ('01.03.2024' on line 4): {CURE}"
    )


@pytest.mark.parametrize(
    ("values", "forms"),
    [
        (["1/31/2024", "2/28/2024", "31/1/2024"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["31 Jan 2024", "5 Feb 2024", "Jan 31, 2024"], ["%d %b %Y", "%b %d, %Y"]),
        (["31.01.2024 10:30", "01.02.2024 11:00", "2024-01-31T10:30:00"], ["%d.%m.%Y %H:%M", "ISO 8601"]),
        (["31.01.2024", "31.01.24", "2024-01-31", "30.01.2024"], ["%d.%m.%Y", "%d.%m.%y", "ISO 8601"]),
        # As few forms as say it: 1/2/2024 alone could have either order, beside 31/1/2024 it has that one's.
        (["31/1/2024", "1/2/2024", "3/2/2024", "2024-02-03"], ["%d/%m/%Y", "ISO 8601"]),
    ],
)
def test_forms_are_told_apart(values: list[str], forms: list[str]) -> None:
    told = note(*values)
    assert told.startswith(f"dates in {len(forms)} forms: ")
    assert all(form in told for form in forms)
    assert all(told.index(one) < told.index(other) for one, other in pairwise(forms))


@pytest.mark.parametrize(
    ("values", "others"),
    [
        (
            ["2024-01-01", "2024-01-02", "2024-02-30"],
            "2 of 3 values are dates, others are none, such as '2024-02-30' on",
        ),
        (["31.01.2024", "01.02.2024", "soon"], "2 of 3 values are dates, others are none, such as 'soon' on line 4"),
        (["31.01.2024", "2024-02-01", "soon"], "forms"),
    ],
)
def test_what_is_no_date_among_dates_is_named(values: list[str], others: str) -> None:
    told = note(*values)
    assert others in told
    assert told.endswith(CURE)


@pytest.mark.parametrize("values", [["a 1", "b", "2024-01-01"], ["1.2.3", "1.10.0"], ["10:30", "11:45"], ["x"] * 3])
def test_other_words_are_no_dates(values: list[str]) -> None:
    assert "date" not in note(*values)


def test_lines_are_those_of_the_file_and_such_a_column_is_no_identifier(tmp_path: Path) -> None:
    rows = [f'"{day:%Y-%m-%d}","a\nb",{place % 3}' for place, day in enumerate(DAYS[:40])]
    rows += [f'{day:%d.%m.%Y},"c",{place % 3}' for place, day in enumerate(DAYS[40:])]
    path = tmp_path / "seen.csv"
    path.write_text("\n".join(["seen,note,x,y", *("" if row == rows[3] else f"{row},{row[-1]}" for row in rows)]))
    seen = draft(read_table(path).frame, "y").columns[0]
    assert seen.type == "ignored"
    assert seen.why.startswith("dates, not all in one form: as words they tell nothing; dates in 2 forms")
    # 40 rows of two lines each, but for the fourth, which is a blank line
    assert f"'{DAYS[40]:%d.%m.%Y}' on line {2 + 39 * 2 + 1}" in seen.why
    with pytest.raises(BadRequestError, match="dates in 2 forms"):
        draft(read_table(path).frame, "seen")
