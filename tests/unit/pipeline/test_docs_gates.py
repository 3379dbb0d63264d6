"""docs/gates.md names every reason code that the gates can give, and no other; and every setting."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from regraft.pipeline import gates
from regraft.pipeline.tasks import GateSettings

DOCS = (Path(__file__).parents[3] / "docs" / "gates.md").read_text()
SOURCES = sorted(Path(gates.__file__).parent.glob("*.py"))
CODE = re.compile(r"[a-z]+(_[a-z0-9]+)+|duplicates")


def codes_in(source: str) -> Iterator[str]:
    """Yield the code of each reason that is made: the first argument of ``reason``, or ``code=`` and ``error=``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            named = isinstance(node.func, ast.Name) and node.func.id == "reason"
            values = [
                *(node.args[:1] if named else []),
                *(k.value for k in node.keywords if k.arg in ("code", "error")),
            ]
            for value in values:
                yield from (str(one.value) for one in ast.walk(value) if isinstance(one, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("value_"):
            yield node.value


def test_every_code_is_documented_and_every_documented_code_is_given() -> None:
    given = {code for path in SOURCES for code in codes_in(path.read_text()) if CODE.fullmatch(code)}
    tables = [line.split("|")[1] for line in DOCS.splitlines() if line.startswith("| `")]
    documented = {code for cell in tables for code in re.findall(r"`([a-z_0-9]+)`", cell)}
    assert len(given) > 25
    assert documented == given


def test_every_setting_is_documented() -> None:
    assert [name for name in GateSettings.model_fields if f"`{name}`" not in DOCS] == []
