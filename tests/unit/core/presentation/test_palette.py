from __future__ import annotations

import re
from pathlib import Path

import pytest

from regraft_core.presentation import charts
from regraft_core.presentation.palette import DARK, LIGHT

ROOT = Path(__file__).parents[4]
SHEET = (ROOT / "trigger-service/regraft_trigger/static/page.css").read_text()
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b", re.IGNORECASE)


def variables(sheet: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]+)", sheet))


@pytest.mark.parametrize(("part", "palette"), [(0, LIGHT), (1, DARK)])
def test_the_page_names_its_colours_as_the_palette_has_them(part: int, palette: dict[str, str]) -> None:
    found = variables(SHEET.split("@media (prefers-color-scheme: dark)")[part])
    assert len(found) > 10
    assert found == {name: palette[name] for name in found}


@pytest.mark.parametrize(
    "path",
    [
        *(ROOT / "trigger-service/regraft_trigger/templates").glob("*.html"),
        *(ROOT / "pipeline/regraft_pipeline/report").rglob("*.*"),
        *(ROOT / "core/regraft_core/presentation").glob("[!p]*.py"),
    ],
    ids=lambda path: path.name,
)
def test_nobody_else_has_a_colour_of_his_own(path: Path) -> None:
    if path.suffix in {".py", ".html", ".css"}:
        assert COLOUR.findall(re.sub(r"href=\"#|&#", "", path.read_text())) == []


def test_both_grounds_have_the_same_colours_and_charts_those_of_the_light_one() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(COLOUR.findall(charts.STYLE)) <= set(LIGHT.values())


def test_the_page_has_no_colour_beside_its_variables() -> None:
    rules = re.sub(r"--[\w-]+:[^;]+;", "", SHEET)
    assert COLOUR.findall(rules) == []
