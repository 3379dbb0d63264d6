"""What the values of one column are taken for."""

import numpy as np
import pandas as pd
import pytest

from regraft_pipeline.init.kinds import kind_of

DATES = ["2024-01-31", "2023-12-01"]

CASES = [
    ("zip", ["01234", "12345", "99999"] * 10, "string", None),
    ("smoker", ["yes", "No", ""], "boolean", None),
    ("flag", ["True", "False"], "boolean", None),
    ("seen", DATES, "date", None),
    ("seen", [f"{day} 00:00:00" for day in DATES], "date", None),
    ("seen", ["2024-01-01 10:00:00", "2024-02-03 11:11:11"], "datetime", None),
    ("seen", ["2024-01-01T10:00:00Z", ""], "datetime", None),
    ("seen", ["2024-01-01", "2024-02-30", "2024-02-03", "2024-02-04"], "string", None),
    ("seen", ["2024-01-01", "0000-00-00", "2024-02-03", "2024-02-04"], "date", None),
    ("at", ["14:05", "2:05 pm", "23:59:59"], "string", None),
    ("seen", ["31.01.2024", "01.12.2023"], "date", "%d.%m.%Y"),
    ("seen", ["1/2/2024", "12/31/2023"], "date", "%m/%d/%Y"),
    ("seen", ["13/2/2024", "12/3/2023"], "date", "%d/%m/%Y"),
    ("seen", ["1/2/2024 10:30", "12/31/2023 01:05"], "datetime", "%m/%d/%Y %H:%M"),
    ("date", ["20240131", "20231201"], "date", "%Y%m%d"),
    ("count", ["20240131", "20231201"], "integer", None),
    ("price", ["1,234", "12", "1,234,567.5"], "number", "1,234.5"),
    ("price", ["1.234,5", "0,25"], "number", "1.234,5"),
    ("price", ["12,5", "0,25"], "number", "1.234,5"),
    ("price", ["$1,234", "$12", "$3,000"], "integer", "$1,234.5"),
    ("price", ["12,50 €", "3,00 €"], "number", "1.234,5€"),
    ("share", ["12%", "3.5%"], "number", "1234.5%"),
    ("way", ["12 km", "3 km"], "integer", "1234.5 km"),
    ("balance", ["$1,200.50", "($3.00)", "-$4.50"], "number", "$1,234.5"),
    ("balance", ["(3,50 €)", "-12,00 €", "1.000,25 €"], "number", "1.234,5€"),
    ("balance", ["(3)", "(4)", "5"], "string", None),
    ("count", ["1", "2", "-3"], "integer", None),
    ("size", ["1.5", "NA", "?", "2e3"], "number", None),
    ("size", ["0.5", "0.25", "10"], "number", None),
    ("card", ["12345678901234567", "12345678901234568"], "string", None),
    ("phone", ["+491234567", "+498888888"], "string", None),
    ("street", [f"Elm {i % 70}" for i in range(300)], "string", None),
    ("sex", ["male", "female", ""] * 10, "string", None),
    ("notes", [f"the quick brown fox number {i} jumps" for i in range(60)], "text", None),
    ("version", ["1.2.3", "1.10.0"], "string", None),
    ("time", ["10:30", "11:45"], "string", None),
]


@pytest.mark.parametrize(("name", "values", "kind", "form"), CASES)
def test_a_column_is_what_it_looks_like(name: str, values: list[str], kind: str, form: str | None) -> None:
    found = kind_of(pd.Series(values, dtype=object), name=name)
    assert (found.type, found.format) == (kind, form)


def test_gaps_are_counted_and_a_word_that_means_none_is_a_word() -> None:
    assert kind_of(pd.Series(["1", "", "NA", "?"], dtype=object), name="a").gaps == 3
    material = kind_of(pd.Series(["None", "Brick", "NA"] * 10, dtype=object), name="a")
    assert (material.categories, material.gaps) == (("Brick", "None"), 10)


def test_a_target_keeps_its_words() -> None:
    assert kind_of(pd.Series(["yes", "no"] * 5, dtype=object), name="a", target=True).categories == ("no", "yes")
    assert kind_of(pd.Series(["True", "False"] * 5, dtype=object), name="a", target=True).type == "boolean"


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["1/2/2024", "2/3/2023"], "day and month cannot be told apart"),
        (["1"] * 200 + ["x"], "1 value is no number, such as 'x'"),
        (["1", "x"] * 50, "two kinds in one column"),
        (["Male", "male", "female"] * 10, "differ in case only: Male, male"),
        (["$1", "$2"], "written with '$'"),
        (["1,234", "5,678"], "a comma before three digits is taken for thousands"),
        (["$5.00", "€ 4.00"], "written in several ways, such as '$5.00' and '€ 4.00'"),
        (["$5.00", "€ 4.00", "free"], "2 of 3 values are numbers, others words such as 'free'"),
    ],
)
def test_what_is_doubtful_is_said(values: list[str], note: str) -> None:
    assert note in "; ".join(kind_of(pd.Series(values, dtype=object), name="a").notes)


def test_infinity_is_no_number_and_its_rows_are_left_out() -> None:
    found = kind_of(pd.Series(["inf", "1e999", *(f"{one / 7:.3f}" for one in range(300))]), name="rate")
    assert (found.type, found.others) == ("number", 2)
    assert found.numbers is not None
    assert np.isnan(found.numbers[:2]).all()
    assert np.isfinite(found.numbers[2:]).all()
