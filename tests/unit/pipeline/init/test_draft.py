"""What becomes of the columns of a table, and what is suspicious."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft_core.errors import BadRequestError
from regraft_pipeline.init import Draft, draft, write
from regraft_pipeline.init.table import Table, read_table
from regraft_pipeline.init.written import name_of

ROWS = 240
RNG = np.random.default_rng(3)
MASS = RNG.normal(4200, 800, ROWS).round(1)
SPECIES = np.where(MASS + RNG.normal(0, 300, ROWS) > 4200, "Gentoo", "Adelie")


def table(**more: object) -> pd.DataFrame:
    columns: dict[str, object] = {
        "": np.arange(ROWS),
        "body_mass_g": MASS,
        "bill (mm)": RNG.normal(44, 5, ROWS).round(1),
        "island": RNG.choice(["Biscoe", "Dream"], ROWS),
        "seen": (np.datetime64("2024-01-01") + np.arange(ROWS)).astype(str),
        "zip": [f"{code:05d}" for code in RNG.integers(1000, 1030, ROWS)],
        "ringed": RNG.choice(["yes", "no"], ROWS),
        "project": "LTER",
        "nothing": "",
        "sample_id": [f"N{row}A1" for row in RNG.permutation(ROWS)],
        "species": SPECIES,
    }
    return pd.DataFrame(columns | more).astype(str).astype(object)


def drafted(**more: object) -> Draft:
    return draft(table(**more), "species")


def test_every_column_is_decided_and_explained() -> None:
    found = {column.name: (column.type, column.why) for column in drafted().columns}
    assert found[""] == ("ignored", "counts the rows from 0 to 239")
    assert found["project"] == ("ignored", "the same in all rows: 'LTER'")
    assert found["nothing"] == ("ignored", "empty in all rows")
    assert found["sample_id"][0] == "ignored"
    assert found["body_mass_g"] == ("number", "numbers")
    assert found["seen"] == ("date", "dates, as ISO 8601 has them; sorted by it: later rows will have other values")
    assert found["zip"] == ("string", "digits with leading zeros: codes, not counts, 30 different")
    assert found["ringed"][0] == "boolean"
    assert found["species"][0] == "string"


def test_row_names_in_no_order_are_told_by_their_missing_name() -> None:
    found = {column.name: column.why for column in drafted(**{"": RNG.permutation(ROWS) * 3}).columns}
    assert found[""].startswith("an identifier for it has no name, as the row names that pandas and R write")


def test_telephone_numbers_tell_rows_apart_however_they_are_written() -> None:
    phones = [f"{'+49 30' if row % 2 else '(0049) 30'} {row * 7919 % 900_000}-1" for row in range(ROWS)]
    found = next(column for column in drafted(phone=phones).columns if column.name == "phone")
    assert found.why == "an identifier: another value in (nearly) every row"


def test_words_for_yes_and_no_are_named_in_all_their_cases() -> None:
    found = next(one for one in drafted(paid=["yes", "No", "Yes"] * (ROWS // 3)).columns if one.name == "paid")
    assert found.why == "only No, Yes and yes"


def test_times_of_day_are_no_identifiers_and_it_is_said_what_would_help() -> None:
    at = [f"{row // 60:02d}:{row % 60:02d}" for row in range(ROWS)]
    found = next(column for column in drafted(at=at).columns if column.name == "at")
    assert found.ignored is not None
    assert found.why.startswith("times of day, or durations: as words they tell nothing; hours as a number")


def test_numbers_of_any_size_are_looked_at() -> None:
    huge = [f"{value:.3e}" for value in RNG.normal(0, 1, ROWS) * 1e250]
    assert next(column for column in drafted(huge=huge).columns if column.name == "huge").type == "number"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x,y\n1,M\u00fcnchen\n".encode("latin-1"), "line 2 is not UTF-8 .*iconv -f WINDOWS-1252 -t UTF-8"),
        ("x,y\n1,M\u00fcnchen\n".encode("utf-16"), "the file is UTF-16, not UTF-8"),
        (b"x,y\n1,a\0\n" + b"2,words\n" * 50, "line 2 has a NUL byte"),
        (b"\n\n", "empty"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_its_line_and_the_cure(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "cities.csv"
    path.write_bytes(content)
    with pytest.raises(BadRequestError, match=told):
        read_table(path)


def test_a_target_without_any_value_is_named_as_that() -> None:
    with pytest.raises(BadRequestError, match="no value in any row"):
        draft(table(empty=""), "empty")


def test_units_are_taken_from_names() -> None:
    units = {column.name: column.unit for column in drafted().columns}
    assert (units["body_mass_g"], units["bill (mm)"]) == ("g", "mm")


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (SPECIES, "copy"),
        (np.where(SPECIES == "Gentoo", "2", "1"), "copy"),
        (np.where(SPECIES == "Gentoo", 1.0, 0.0) + RNG.normal(0, 0.05, ROWS), "leak"),
    ],
)
def test_copies_and_leaks_are_found(column: object, code: str) -> None:
    found = drafted(planted=column)
    assert [(one.code, one.column) for one in found.suspicions] == [(code, "planted")]
    assert [one.ignored is not None for one in found.columns if one.name == "planted"] == [code == "copy"]


def test_a_copy_of_a_number_in_another_unit_is_found() -> None:
    frame = table(planted=MASS / 1000)
    found = draft(frame, "body_mass_g")
    assert ("copy", "planted") in [(one.code, one.column) for one in found.suspicions]
    assert found.problem == "regression"


def test_classes_with_few_rows_are_said() -> None:
    found = drafted(species=[*SPECIES[:-2], "King", "King"])
    assert "only 2 rows of 'King'" in found.suspicions[-1].message


def test_a_password_is_no_identifier_where_there_is_nothing_else() -> None:
    frame = pd.DataFrame(
        {"Password": [f"word{row}" for row in range(60)], "Times": [str(row % 2) for row in range(60)]}
    )
    assert [column.type for column in draft(frame, "Times").columns] == ["string", "integer"]


def test_what_moves_on_with_time_has_no_bounds() -> None:
    """A meter beside dates in order moves with them; a table that was sorted by a number does not move at all."""
    meter, since = np.arange(ROWS) * 7 + 100, RNG.integers(1_600_000_000, 1_700_000_000, ROWS)
    by_name = {column.name: column for column in drafted(meter=meter, created_at=since, large=since).columns}
    for name, trend in (("meter", True), ("created_at", True), ("large", False)):
        assert by_name[name].trend is trend
        assert (by_name[name].maximum is None) is trend
    alone = draft(table(meter=meter).drop(columns="seen"), "species")
    assert next(column for column in alone.columns if column.name == "meter").trend is False


@pytest.mark.parametrize(
    ("name", "values", "type_"),
    [
        ("customer", np.arange(1000, 1000 + ROWS), "ignored"),
        ("customer", RNG.permutation(np.arange(1000, 1000 + ROWS)), "integer"),
        ("postal code", [f"{code:05d}" for code in [*RNG.permutation(99_999)[: ROWS - 2], 7, 7]], "string"),
        ("ticket", [f"T{code:05d}" for code in [*RNG.permutation(99_999)[: ROWS - 2], 7, 7]], "ignored"),
    ],
)
def test_what_only_tells_rows_apart_is_left_aside(name: str, values: object, type_: str) -> None:
    assert [one.type for one in drafted(**{name: values}).columns if one.name == name] == [type_]


def test_numbers_in_a_row_are_learned_from_where_there_is_nothing_else() -> None:
    frame = pd.DataFrame({"x": np.arange(60), "y": np.arange(60) * 0.5}).astype(str).astype(object)
    assert [column.type for column in draft(frame.assign(y=RNG.random(60).astype(str)), "y").columns] == [
        "integer",
        "number",
    ]


@pytest.mark.parametrize(("rows", "told"), [(1, "has 1 row;"), (19, "has 19 rows;"), (20, None)])
def test_a_table_has_as_many_rows_as_the_gates_ask_for(rows: int, told: str | None) -> None:
    frame = pd.DataFrame({"x": RNG.random(rows), "y": RNG.random(rows)}).astype(str).astype(object)
    if told is None:
        assert draft(frame, "y").rows == rows
        return
    with pytest.raises(BadRequestError, match=told):
        draft(frame, "y")


@pytest.mark.parametrize(
    ("names", "target", "told"),
    [
        (["a", " y"], "y", "Blanks count: the column is ' y'"),
        (["1.5", "2"], "y", "Those are numbers: a table needs a first line"),
        (["height", "weight"], "wieght", "Did you mean 'weight'?"),
        ([f"c{place}" for place in range(99)], "y", "and 69 more"),
    ],
)
def test_a_target_that_is_not_there_is_said_so_that_it_is_found(names: list[str], target: str, told: str) -> None:
    with pytest.raises(BadRequestError) as error:
        draft(pd.DataFrame({name: ["1", "2"] for name in names}), target)
    assert told in error.value.message


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("specis", "column_missing"),
        ("project", "target_unusable"),
        ("seen", "target_unusable"),
        ("sample_id", "target_unusable"),
    ],
)
def test_what_cannot_be_a_target_is_refused(target: str, code: str) -> None:
    with pytest.raises(BadRequestError) as error:
        draft(table(), target)
    assert error.value.code == code


def test_the_file_is_read_back_and_the_halves_agree(tmp_path: Path) -> None:
    path = tmp_path / "Our penguins.csv"
    table().to_csv(path, index=False)
    read = read_table(path)
    written = write(draft(read.frame, "species"), read, path, tmp_path / "tasks", name=name_of(path))
    assert written.task.name == "our-penguins"
    assert written.halves.accepted, written.halves.summary()
    assert written.task.reference is not None
    assert written.task.reference.read_bytes() == path.read_bytes()
    with pytest.raises(BadRequestError, match="is there already"):
        write(draft(read.frame, "species"), read, path, tmp_path / "tasks", name="our-penguins")


def test_what_is_said_of_classes_of_few_rows_is_said_of_the_table_and_not_of_a_half(tmp_path: Path) -> None:
    size = np.random.default_rng(1).normal(size=200).round(4)
    kind = np.where(size > 0, "large", "small").astype(object)
    kind[:10] = "odd"  # of ten rows each half has five or so
    path = tmp_path / "sizes.csv"
    pd.DataFrame({"size": size, "kind": kind}).to_csv(path, index=False)
    read = read_table(path)
    found = draft(read.frame, "kind")
    written = write(found, read, path, tmp_path / "tasks", name="sizes")
    assert [one for one in found.suspicions if one.code == "few"] == []
    assert "class_few_rows" not in [reason.code for reason in written.halves.reasons]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_told(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a;b;"c,d"\n1,5;x;y\n2;z;w\n'.replace(";", delimiter), encoding="utf-8")
    found = read_table(path)
    assert (found.delimiter, list(found.frame.columns)) == (delimiter, ["a", "b", "c,d"])


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"a\n1\n", b"a,a\n1,2\n", b"\xff\xfe\x00a", b"a,b\n1,2,3\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(BadRequestError, match="is no table"):
        read_table(path)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "\ufeffa,b\r\n1,x\r\n2,y\r\n",
        "sep=;\na;b\n1;x\n2;y\n",
        "\n \na,b\n\n1,x\n,\n2,y\n\n",
        "a,b\n1,x\na,b\n2,y\na,b\n",
    ],
)
def test_what_is_no_row_is_no_row(tmp_path: Path, content: str) -> None:
    """Blank lines, rows of commas, what Excel says before the header, and the header once more."""
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8", newline="")
    read = read_table(path)
    assert read.frame.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert read.repeated == content.count("a,b") - 1 if "a,b" in content else not read.plain


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("# exported\na,b\n1,2\n", "its first line, '# exported', has one value, others have 2"),
        ("a,b,a\n1,2,3\n", "column 'a' is there 2 times; give each column a name of its own"),
        ("a,b\n1,2\n1,2,3\n", "the header has 2 names, and line 3 has 3 values: '1,2,3'"),
        ("a,b\n\n,\n", "it has a header and no row"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(BadRequestError) as error:
        read_table(path)
    assert told in error.value.message


def test_a_table_is_plain_where_it_has_commas() -> None:
    assert Table(pd.DataFrame(), ",").plain


def test_rows_without_a_target_or_with_what_is_no_number_are_left_out_and_said(tmp_path: Path) -> None:
    frame = table()
    frame.loc[:7, "species"] = "NA"
    frame.loc[100, "body_mass_g"] = "heavy"
    path = tmp_path / "penguins.csv"
    frame.to_csv(path, index=False)
    read = read_table(path)
    found = draft(read.frame, "species")
    why = {column.name: column.why for column in found.columns}
    assert "8 of 240 rows have none: they are left out" in why["species"]
    assert "1 value is no number, such as 'heavy': such rows are left out" in why["body_mass_g"]
    written = write(found, read, path, tmp_path / "tasks", name="penguins")
    assert written.halves.accepted, written.halves.summary()
    assert written.task.reference is not None
    assert "heavy" not in written.task.reference.read_text()


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_packed_tables_are_read_as_the_gates_read_them(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"penguins.{ending}"
    frame = table().drop(columns="")
    if ending == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    read = read_table(path)
    assert list(read.frame.columns) == list(frame.columns)
    assert read.frame["body_mass_g"].tolist() == frame["body_mass_g"].tolist()
    assert not read.plain


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("My Table.csv.gz", "my-table"),
        ("2024.csv", "task-2024"),
        ("runs.csv", "task-runs"),
        ("_.csv", "task"),
        ("Flüge Straße.csv", "fluge-strasse"),
        ("données.csv", "donnees"),
    ],
)
def test_a_task_has_a_name_after_its_file_that_a_task_can_have(file: str, name: str) -> None:
    assert name_of(Path(file)) == name
