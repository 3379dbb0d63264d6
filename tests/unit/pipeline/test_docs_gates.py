"""docs/gates.md names every reason code that the gates can give, and no other; and every setting."""

import re
from pathlib import Path

from regraft_pipeline import data, gates
from regraft_pipeline.tasks import GateSettings, load_tasks
from tests.bench import gates as bench
from tests.unit.docs.codes import codes_in

DOCS = (Path(__file__).parents[3] / "docs" / "gates.md").read_text()
TEXT = DOCS.partition("## Settings")[0]
SOURCES = sorted(path for room in (data, gates) for path in Path(str(room.__file__)).parent.glob("*.py"))
CODE = re.compile(r"[a-z]+(_[a-z0-9]+)+|duplicates")


def test_every_code_is_documented_and_every_documented_code_is_given() -> None:
    given = {code for path in SOURCES for code in codes_in(path.read_text()) if CODE.fullmatch(code)}
    tables = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    documented = {code for cell in tables for code in re.findall(r"`([a-z_0-9]+)`", cell)}
    assert len(given) > 25
    assert documented == given


def settings_table() -> list[str]:
    """Return the table of settings as the page should have it: defaults, and what the tasks that ship override."""
    tasks = load_tasks()
    names = ["passwords", "heart-disease"]
    lines = [f"| setting | meaning | default | {' | '.join(names)} |", "|---|---|---|---|---|"]
    for name, field in GateSettings.model_fields.items():
        own = (getattr(tasks[task].gates, name) for task in names)
        cells = ["" if value == field.default else shown(value) for value in own]
        lines.append(f"| `{name}` | {field.description} | {' | '.join([shown(field.default), *cells])} |")
    return lines


def shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) and value != GateSettings().seed else str(value)


def test_the_settings_are_documented_with_their_values() -> None:
    assert "\n".join(settings_table()) in DOCS


def test_the_thresholds_in_the_text_are_those_of_the_code() -> None:
    """Wherever the page names a setting in brackets, its value stands before it."""
    values = {"min_relative_skill": "half", "folds": "three", "evaluation_rows": "20,000", "max_lines": "10,000,000"}
    for name, field in GateSettings.model_fields.items():
        if isinstance(field.default, bool) or field.default is None or name == "seed":
            continue
        number = float(field.default)
        written = {values.get(name, f"{number:g}"), f"{number:.0%}".replace("%", " %")}
        text = [paragraph for paragraph in re.split(r"\n\n|\n(?=\|)", TEXT) if f"(`{name}`" in paragraph]
        assert text, f"{name} is not explained"
        assert any(one in paragraph for paragraph in text for one in written), f"{name} is not {written}"


def test_the_power_study_is_in_the_page() -> None:
    study = DOCS.partition("<!-- make bench-gates: begin -->")[2].partition("<!-- make bench-gates: end -->")[0]
    rows = [line.split("|")[1:3] for line in study.splitlines() if line.startswith("| ")]
    kinds = {(task.strip(), kind.strip()) for task, kind in rows}
    assert kinds >= {*bench.BAD, *bench.GOOD}
