"""Task files: what is read, and what is said of each kind of mistake."""

from itertools import pairwise

import pytest

from regraft_core.contract import Column
from regraft_core.definition import TaskFileError, read_definition
from regraft_core.definition.task import json_schema

PENGUINS = """\
apiVersion: regraft.dev/v1
kind: Task
name: penguins
target: species
problem: classification            # or regression
columns:
  - {name: bill_length, type: number, unit: mm, minimum: 20, maximum: 80, nullable: true}
  - {name: island, type: string, categories: [Biscoe, no, Torgersen]}
  - {name: seen_on, type: date, format: "%d.%m.%Y"}
  - {name: ringed, type: boolean}
  - {name: notes, type: text, nullable: 0.1}
  - {name: individual_id, role: ignored}
  - {name: species, type: string, categories: [Adelie, Chinstrap, Gentoo]}
estimator: auto
metric: recall
gates: {min_rows: 80}
reference: reference.csv
registered_model: "{owner}-penguins"
"""


def test_a_file_becomes_a_contract() -> None:
    definition = read_definition(PENGUINS)
    contract = definition.contract()
    assert contract.feature_names == ["bill_length", "island", "seen_on", "ringed", "notes"]
    assert contract.classes == ("Adelie", "Chinstrap", "Gentoo")
    assert contract.ignored == ("individual_id",)
    assert contract.features[1].categories == ("Biscoe", "no", "Torgersen")  # YAML 1.2: no is a text
    assert contract.features[4] == Column(name="notes", type="text", nullable=0.1)
    assert definition.gates.min_rows == 80


def test_the_hash_tells_definitions_apart_and_not_their_form() -> None:
    same = PENGUINS.replace("  - {name: ringed, type: boolean}", "  - name: ringed\n    type: boolean")
    same = same.replace("estimator: auto\n", "")
    assert read_definition(same).hash == read_definition(PENGUINS).hash
    assert read_definition(PENGUINS.replace("80,", "90,")).hash != read_definition(PENGUINS).hash


def test_where_the_newest_data_is_makes_no_other_version_and_what_is_kept_does() -> None:
    more = PENGUINS + "source: s3://data/penguins.csv\nretrain_when: unfit\n"
    found = read_definition(more)
    assert (found.newest, found.hash) == ("s3://data/penguins.csv", read_definition(PENGUINS).hash)
    assert read_definition(more.replace("retrain_when: unfit\n", "")).newest is None
    assert read_definition(PENGUINS + "requests: {keep: 0.1}\n").hash != read_definition(PENGUINS).hash


def test_what_is_said_by_default_can_be_left_out() -> None:
    short = "apiVersion: regraft.dev/v1\nkind: Task\nname: a\ntarget: y\ncolumns:\n- {name: x, type: number}\n- "
    assert read_definition(short + "{name: y, type: number}").problem_type == "regression"
    assert read_definition(short + "{name: y, type: boolean}").problem_type == "classification"
    assert read_definition(short + "{name: y, type: integer, categories: [1, 2]}").problem_type == "classification"


MISTAKES = [
    ("nullable: true", "nulable: true", 7, "did you mean 'nullable'"),
    ("type: date", "type: dat", 9, "did you mean 'date'"),
    ("min_rows", "min_row", 16, "did you mean 'min_rows'"),
    ("target: species", "target: specis", 4, "the target 'specis' is none of the columns; did you mean 'species'"),
    ("kind: Task", "kind: Tsk", 2, "did you mean 'Task'"),
    ("metric: recall", "metric: rmse", 15, "there are: recall, roc_auc"),
    ("name: penguins", "name: Penguins", 3, "name is 'Penguins'"),
    ("0.1", "often", 11, "nullable is 'often'"),
    ("0.1", "1.5", 11, "a share between 0 and 1"),
    ("notes, type: text", "island, type: text", 11, "column 'island' is there twice"),
    ("estimator: auto", "estimator: [a", 15, "this is not YAML"),
    ("estimator: auto", "kind: Task", 14, "the key 'kind' is there twice"),
    ("columns:", "colums:", 6, "did you mean 'columns'"),
    ("individual_id, role: ignored", "individual_id", 12, "needs a type, or 'role: ignored'"),
    ("role: ignored", "role: ignored, unit: mm", 12, "unit would mean nothing"),
    ("[Adelie, Chinstrap, Gentoo]", "[1, 2]", 13, "put them into quotes"),
    (", categories: [Adelie, Chinstrap, Gentoo]", "", 13, "name its labels as categories"),
    ("Gentoo]", "Gentoo], nullable: true", 13, "cannot be nullable"),
    ("type: boolean", "type: boolean, minimum: 1", 10, "minimum and maximum are for numbers"),
    ("problem: classification", "problem: regression", 5, "the problem is classification"),
    ("reference: reference.csv", "requests: {kep: 0.1}", 17, "did you mean 'keep'"),
    ("reference: reference.csv", "requests: {keep: 1.5}", 17, "keep is 1.5"),
    ("reference: reference.csv", "requests: {keep: 0.1, days: 0}", 17, "days is 0"),
    ("reference: reference.csv", "retrain_when: unfit", 17, "retrain_when needs a source"),
    ("reference: reference.csv", "retrain_when: drifting", 17, "unfit"),
    ("reference: reference.csv", "source: ftp://example.org/a", 17, "must begin with http://"),
    ("reference: reference.csv", "source: 'https://example.org/a?token=abc'", 17, "must carry no secret"),
    ("{owner}-penguins", "{user}-penguins", 18, "only {owner} and {task}"),
    ("{owner}-penguins", "{owner.__class__}", 18, "only {owner} and {task}"),
    ("{owner}-penguins", "", 18, "registered_model is a name"),
    ("{owner}-penguins", "a/b", 18, "without '/' and ':'"),
    ("reference: reference.csv", "reference: ../../secret.csv", 17, "no file beside this one"),
    ("reference: reference.csv", "reference: /etc/passwd", 17, "no file beside this one"),
    ("reference: reference.csv", "reference: ''", 17, "no file beside this one"),
    ("minimum: 20", "minimum: 90", 7, "minimum 90 is above maximum 80"),
    ("minimum: 20", "minimum: .nan", 7, "a finite number is needed"),
    ("minimum: 20", f"minimum: {'9' * 5000}", 7, "a number is needed"),
    ("minimum: 20", "categories: [a, b]", 7, "the categories of a number are whole numbers"),
    ("minimum: 20", "min_length: 3", 7, "min_length is for texts"),
    ("unit: mm", "trend: sometimes", 7, "true or false is needed"),
    ("unit: mm", "unit: 5", 7, "put it into quotes"),
    ("type: string, categories", "trend: true, type: string, categories", 8, "trend is for numbers and dates"),
    ("[Biscoe, no, Torgersen]", "[no, Dream, no]", 8, "the category 'no' is there twice"),
    ("[Biscoe, no, Torgersen]", "[]", 8, "categories name no value"),
    ("[Biscoe, no, Torgersen]", "Biscoe", 8, "a list is needed"),
    ("%d.%m.%Y", "%Q", 9, "format is no date such as"),
    ("%d.%m.%Y", "%H:%M", 9, "format is no date such as"),
    ("nullable: 0.1", "min_length: 10, max_length: 5", 11, "min_length 10 is not between 0 and max_length 5"),
    ("name: notes", "name: null", 11, "name is empty: a text is needed"),
    ("[Adelie, Chinstrap, Gentoo]", "[Adelie]", 13, "one category only"),
    ("target: species", "target: individual_id", 12, "an ignored column"),
    ("target: species", "target: Species", 4, "did you mean 'species'"),
    ("min_rows: 80", "min_rows: -5", 16, "greater than or equal to 1"),
    ("min_rows: 80", "max_null_share: 5", 16, "less than or equal to 1"),
    ("min_rows: 80", "folds: 1", 16, "greater than or equal to 2"),
    ("{min_rows: 80}", "[80]", 16, "a mapping of keys is needed"),
    ("estimator: auto", "max_request_rows: 0", 14, "greater than or equal to 1"),
    ("estimator: auto", "estimator: !!python/object:os.system ls", 14, "mean nothing here"),
    ("name: penguins", "name: predict", 3, "an address or an object of Regraft's own"),
    ("name: penguins", "name: -p", 3, "lower-case letters, digits and hyphens"),
    ("  - {name: island", "\t- {name: island", 8, "this is not YAML"),
    ("notes", "no\x07tes", 11, "cannot be in YAML"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "told"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_its_cure(right: str, wrong: str, line: int, told: str) -> None:
    with pytest.raises(TaskFileError) as error:
        read_definition(PENGUINS.replace(right, wrong, 1), "tasks/penguins/task.yaml")
    assert f"tasks/penguins/task.yaml, line {line}: " in error.value.message
    assert told in error.value.message


def test_a_file_that_is_not_utf_8_is_named_with_the_line() -> None:
    with pytest.raises(TaskFileError, match=r"line 11: this is not UTF-8; save it as UTF-8"):
        read_definition(PENGUINS.replace("notes", "größe").encode("latin-1"))


@pytest.mark.parametrize("text", [PENGUINS.encode("utf-8-sig"), PENGUINS.encode("utf-16"), "\ufeff" + PENGUINS])
def test_marks_of_the_byte_order_are_no_mistake(text: str | bytes) -> None:
    assert read_definition(text) == read_definition(PENGUINS)


def _bomb() -> str:
    return "a: &a [x, x]\n" + "".join(
        f"{one}: &{one} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
        for before, one in pairwise("abcdefgh")
    )


NO_TASKS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "a task is a mapping"),
    "a list": ("- a", "a task is a mapping"),
    "words": ("just words", "a task is a mapping"),
    "bytes": (b"\xff\xfe\x00", "this is not UTF-8"),
    "itself": ("a: &x [*x]", "too large or too deep"),
    "aliases": (_bomb(), "too large or too deep"),
    "deep": ("[" * 3000, "too deep"),
    "large": ("a: " + "x" * (1 << 20), "at most 1 MiB"),
    "two": (PENGUINS + "---\na: 1\n", "another document"),
    "one column": (PENGUINS.partition("columns:")[0] + "columns: [{name: a, type: boolean}]", "two columns are needed"),
    "no feature": (
        PENGUINS.partition("columns:")[0] + "columns: [{name: species, type: boolean}, {name: b, role: ignored}]",
        "no column is left that could tell",
    ),
}


@pytest.mark.parametrize("name", NO_TASKS)
def test_what_is_no_task_is_refused(name: str) -> None:
    text, told = NO_TASKS[name]
    with pytest.raises(TaskFileError) as error:
        read_definition(text)
    assert told in error.value.message


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = PENGUINS.replace("[Biscoe, no, Torgersen]", "[yes, off, 2001-01-01, '1', 1:30]")
    assert read_definition(text).contract().features[1].categories == ("yes", "off", "2001-01-01", "1", "1:30")


def test_the_schema_knows_every_key() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"apiVersion", "kind", "name", "target", "columns"} <= schema["properties"].keys()
    assert set(schema["required"]) == {"apiVersion", "kind", "name", "target", "columns"}
