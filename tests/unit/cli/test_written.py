"""`regraft predict` reads a file as a dataset is read: what a table was trained on can be asked as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from regraft_cli import main as cli
from regraft_cli.predict import json_value
from regraft_core.contract import Column
from tests.unit.inference.bundles import write_reasoning_bundle
from tests.unit.inference.serving import serving

NUMBER = Column(name="n", type="number", nullable=True)
COUNT = Column(name="i", type="integer")
TRUTH = Column(name="b", type="boolean", nullable=True)
WORD = Column(name="s", type="string", categories=("a", "NA"), nullable=True)
NOTE = Column(name="x", type="text", nullable=True)
DAY = Column(name="d", type="date", nullable=True)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        *(
            (NUMBER, text, number)
            for text, number in ((" 1.5 ", 1.5), ("+2", 2), (".5", 0.5), ("1.", 1), ("1e3", 1000))
        ),
        *((NUMBER, text, None) for text in ("", " ", "NA", "?", "\\N", "nan", "n.a.")),
        *((NUMBER, text, text) for text in ("abc", "1,5", "1e400", "true", "\u0663")),
        *((COUNT, text, number) for text, number in (("007", 7), ("3.0", 3), ("3.5", 3.5), ("", ""), ("NA", "NA"))),
        *((TRUTH, text, True) for text in ("True", "yes", "1", " T ")),
        *((TRUTH, text, False) for text in ("FALSE", "no", "0", "off")),
        *((TRUTH, text, found) for text, found in (("", None), ("NA", None), ("perhaps", "perhaps"))),
        *((WORD, text, found) for text, found in (("a", "a"), ("NA", "NA"), ("", None), ("n/a", None), ("b", "b"))),
        *((NOTE, text, found) for text, found in (("NA", "NA"), ("", None), (" a ", " a "))),
        *((DAY, text, found) for text, found in (("2026-01-31", "2026-01-31"), ("", None), ("0000-00-00", None))),
    ],
)
def test_a_text_is_what_it_is_in_a_dataset(column: Column, text: str, value: Any) -> None:
    found = json_value(text, column.json_schema())
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_is_read_with_the_delimiter_of_its_header(tmp_path: Path, delimiter: str) -> None:
    write_reasoning_bundle(tmp_path / "models" / "heart-disease")
    path = tmp_path / "rows.csv"
    rows = [["age", "sex", "oldpeak", "condition"], ["63", " 1", "+4.5", "0"], ["40", "0", "0.", "1"]]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(delimiter.join(row) for row in rows).encode())
    with serving(tmp_path / "models") as port:
        asked = ["predict", str(path), "--task", "heart-disease", "--url", f"http://127.0.0.1:{port}", "--json"]
        answer = CliRunner().invoke(cli.app, asked)
    assert json.loads(answer.stdout) == {"condition": [1, 0]}
