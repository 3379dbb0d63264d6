"""What PostgreSQL and MySQL really wrote, in ``written/``: read as it was, or refused with a line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from regraft_pipeline.data.csv import open_sheet
from tests.unit.pipeline.data.test_dialects import CONTRACT, Row, mysql, postgresql

WRITTEN = Path(__file__).with_name("written")
WORDS = (
    *("plain", "a,b", 'q"q', '"lead', '"', "tab\tx", "nl\nx", "cr\rx", " lead", "trail ", "back\\slash", "\\"),
    *("\\N", "\\.", "NULL", "it's", "semi;x", "\u00e4\U0001f600", "\u2028"),
)
ROWS: list[Row] = [(word, str(number)) for number, word in enumerate(WORDS)]

IMITATED: dict[str, Callable[[list[Row]], bytes]] = {
    "copy-csv.csv": postgresql,
    "copy-csv-tabs.csv": partial(postgresql, delimiter="\t"),
    "copy-csv-null.csv": partial(postgresql, null="NULL"),
    "copy-csv-force-quote.csv": partial(postgresql, force=True),
    "outfile-quotes.csv": partial(mysql, optionally=False),
    "outfile-quotes-optionally.csv": partial(mysql, optionally=True),
}
READ = [name for name in IMITATED if name.startswith("copy")]
OTHER = {
    "copy-csv-quote.csv": b"",
    "copy-csv-escape.csv": b"",
    "outfile-quotes.csv": b"Password,Times\n",  # a line break is written as "\n
    "outfile-quotes-optionally.csv": b"Password,Times\n",
    "outfile.csv": b"Password,Times\n",
    "outfile-no-escapes.csv": b"Password,Times\n",
    "outfile-apostrophes.csv": b"Password,Times\n",
    "dump-tab.txt": b"",
}


@pytest.mark.parametrize("name", READ)
def test_what_a_database_wrote_is_read_as_it_was(write: Callable[[bytes], Path], name: str) -> None:
    sheet = open_sheet(write((WRITTEN / name).read_bytes()), CONTRACT)
    assert [row for block in sheet.blocks() for row in block.itertuples(index=False, name=None)] == ROWS
    assert not sheet.reasons


@pytest.mark.parametrize("name", OTHER)
def test_what_a_database_wrote_in_other_quotes_is_refused_with_a_line(
    write: Callable[[bytes], Path], name: str
) -> None:
    sheet = open_sheet(write(OTHER[name] + (WRITTEN / name).read_bytes()), CONTRACT)
    list(sheet.blocks())
    assert sheet.reasons
    assert all("line" in reason.rows[0] for reason in sheet.reasons), sheet.reasons


@pytest.mark.parametrize("name", IMITATED)
def test_our_imitation_writes_as_the_database_does(name: str) -> None:
    header, end, rows = IMITATED[name](ROWS).partition(b"\n")
    assert (header + end if name.startswith("copy") else b"") + rows == (WRITTEN / name).read_bytes()


QUOTED_ODDLY = [
    (["'a'", "'b c'", "'it''s'"], "quote_single", "error"),
    (["a", "'it''s'", "'o''clock'"], "quote_single", "error"),
    (["a", "''''", "'it''s'"], "quote_single", "error"),
    (["a", "b", "'it''s'"], "quote_single", "warning"),
    (["a", "b", "''''"], "quote_single", "warning"),
    (["a", "b", "'or''='"], "quote_single", "warning"),
    (["a", "'b'", "c"], None, None),
    (["it's", "'it''s'", "b"], None, None),
    (["a", "''", "b'"], None, None),
    (["a", "rock'n'roll", "''a"], None, None),
    (['="007"', '="a ""b"""', '=""'], "quote_stray", "error"),
    (['="007"', "a", "=1"], None, None),
]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(("words", "code", "severity"), QUOTED_ODDLY)
def test_what_stands_around_values_is_quotes_where_the_column_shows_it(
    write: Callable[[bytes], Path], words: list[str], code: str | None, severity: str | None, quoted: bool
) -> None:
    """One value that may be quoted is read as it stands, with a warning; more refuse the file."""
    cells = ['"{}"'.format(word.replace('"', '""')) if quoted else word for word in words]
    sheet = open_sheet(write("".join(["Password,Times\n", *(f"{cell},1\n" for cell in cells)]).encode()), CONTRACT)
    found = [word for block in sheet.blocks() for word in block["Password"]]
    assert [(reason.code, reason.severity) for reason in sheet.reasons] == ([(code, severity)] if code else [])
    assert all("line" in reason.rows[0] for reason in sheet.reasons)
    assert sheet.readable == (severity != "error")
    if sheet.readable:
        assert found == words
