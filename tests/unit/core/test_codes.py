"""The catalogue of codes: each that the source gives stands in it, each in it is given, and its page is made of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from regraft_core.codes import Code, as_markdown

ROOT = Path(__file__).parents[3]
PACKAGES = [path for path in ROOT.glob("*/regraft_*") if path.is_dir()]
SHAPE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
GIVERS = {"reason": 0, "Cause": 0, "_refuse": 2}
"""Functions that take a code, and at which place."""


def given(source: str) -> Iterator[str]:
    """Yield the codes of a module: members of ``Code``, and texts where a code is taken."""
    for node in ast.walk(ast.parse(source)):
        for value in [*_taken(node), *_of_class(node)]:
            for one in ast.walk(value):
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and SHAPE.fullmatch(one.value):
                    yield one.value
        if isinstance(node, ast.Attribute) and node.attr.isupper() and ast.unparse(node.value) == "Code":
            yield node.attr.lower()


def _taken(node: ast.AST) -> list[ast.expr]:
    if not isinstance(node, ast.Call):
        return []
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    place = GIVERS.get(name)
    first = [] if place is None else node.args[place : place + 1]
    # Of a conditional code both texts count, of its condition none.
    return [
        part
        for value in [*first, *(keyword.value for keyword in node.keywords if keyword.arg == "code")]
        for part in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])
        if isinstance(part, ast.Constant | ast.Attribute)
    ]


def _of_class(node: ast.AST) -> list[ast.expr]:
    if not isinstance(node, ast.ClassDef):
        return []
    found = []
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name) and target.id == "code":
                found.append(statement.value)
    return found


def sources() -> dict[str, str]:
    return {
        str(path): path.read_text() for package in PACKAGES for path in package.rglob("*.py") if path.name != "codes.py"
    }


def test_every_code_that_is_given_stands_in_the_catalogue() -> None:
    unknown = {f"{code} ({path})" for path, text in sources().items() for code in given(text) if code not in set(Code)}
    assert not unknown


def test_every_code_of_the_catalogue_is_in_the_source() -> None:
    text = "\n".join(sources().values())
    assert {code for code in Code if f'"{code}"' not in text and f"Code.{code.name}" not in text} == set()


def test_each_has_a_sentence() -> None:
    assert {code for code in Code if not re.fullmatch(r"[A-Z].*\.", code.meaning)} == set()


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs" / "codes.md").read_text() == as_markdown()
