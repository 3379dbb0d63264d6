"""Mistakes in the smallest task file that there is: each is told once, on its line, without what follows from it."""

from __future__ import annotations

import pytest

from regraft_core.definition import TaskFileError, read_definition

SMALL = """\
apiVersion: regraft.dev/v1
kind: Task
name: small
target: label
columns:
  - {name: size, type: number, minimum: 0}
  - {name: label, type: string, categories: [a, b]}
gates: {min_rows: 20}
max_request_rows: 5
"""

ALONE = [
    ("type: number", "type: numbr", 6, "did you mean 'number'"),
    ("minimum: 0", "min: 0", 6, "did you mean 'minimum'"),
    ("{name: size,", "{nam: size,", 6, "there is no key 'nam'"),
    ("columns:", "Columns:", 5, "did you mean 'columns'"),
    ("apiVersion:", "apiversion:", 1, "did you mean 'apiVersion'"),
    ("target:", "taget:", 4, "did you mean 'target'"),
    ("[a, b]", "[true, false]", 7, "true stands among them"),
    ("[a, b]", "[a, 1]", 7, "1 stands among them"),
    ("[a, b]", "[a, null]", 7, "null stands among them"),
    ("[a, b]", "[1.5, 2.5]", 7, "all whole numbers"),
]

TEXTS = [
    *(
        ("minimum: 0", f"nullable: {word}", 6, "true or false is needed")
        for word in ("yes", "no", "on", "'true'", "5%")
    ),
    ("minimum: 0", "trend: yes", 6, "true or false is needed"),
    ("minimum: 0", "minimum: '0'", 6, "a number is needed"),
    ("minimum: 0", "minimum: 1_000", 6, "a number is needed"),
    ("type: number, minimum: 0", "type: text, max_length: '5'", 6, "a whole number is needed"),
    ("min_rows: 20", "min_rows: '20'", 8, "a whole number is needed"),
    ("min_rows: 20", "max_null_share: 5%", 8, "a number is needed"),
    ("min_rows: 20", "one_target_per_input: no", 8, "true or false is needed"),
    ("max_request_rows: 5", "max_request_rows: '5'", 9, "a whole number is needed"),
    ("max_request_rows: 5", "requests: {keep: '0.1'}", 9, "a number is needed"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "cure"), [*ALONE, *TEXTS], ids=lambda value: str(value)[:30])
def test_a_mistake_is_told_once(right: str, wrong: str, line: int, cure: str) -> None:
    text = SMALL.replace(right, wrong)
    assert text != SMALL
    with pytest.raises(TaskFileError) as found:
        read_definition(text)
    assert found.value.message.count("task.yaml, line") == 1, found.value.message
    assert found.value.message.startswith(f"task.yaml, line {line}: ")
    assert cure in found.value.message
    assert found.value.details["line"] == line


def test_two_mistakes_are_told_both() -> None:
    with pytest.raises(TaskFileError) as found:
        read_definition(SMALL.replace("number, minimum", "numbr, maximun").replace("kind: Task", "kind: task"))
    assert [f"line {line}" in found.value.message for line in (2, 6)] == [True, True]
    assert found.value.message.count("did you mean") == 3


def test_too_few_columns_are_told_where_all_of_them_are_right() -> None:
    with pytest.raises(TaskFileError, match=r"line 5: .*two columns are needed"):
        read_definition(SMALL.replace("  - {name: size, type: number, minimum: 0}\n", ""))
