"""A table is read as the first gate reads it: whole, or refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from regraft_core.errors import BadRequestError
from regraft_pipeline.init.table import read_table

ROWS = b"".join(b"w%d,%d\n" % (row, row) for row in range(40))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b's,y\n"abc"def,1\n' + ROWS, "line 2: a quote opens a value"),
        (b's,y\n"a,1\n' + ROWS + b'"b,1\n', "line 2: a quote opens a value"),
        (b's,y\n"abc,1\n' + ROWS, "line 2 is never closed"),
        (b"s,y\na\rb,1\n" + ROWS, "line 2 has a carriage return"),
        (b"s,y\n" + ROWS + b"a,1,2\n", "line 42 has 3 values: 'a,1,2'"),
        (b"s,y\n" + ROWS + b"(40 rows)\n", "line 42 has 1 values"),
        (b"\n\nsep=,\ns,y\n" + ROWS + b"a,1,2\n", "line 45 has 3 values"),
        (b"Report\n\ns,y\n" + ROWS, "its first line, 'Report', has one value, others have 2"),
        (b"s,y\n" + b"x" * (5 << 20) + b",1\n" + ROWS, "a row is too long"),
        (b"s,y\n" + b"x" * 200_000 + b",1,2\n" + ROWS, "line 2 has 3 values"),
        (b"s,y\na\xff,1\n" + ROWS, "line 2 is not UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(BadRequestError) as found:
        read_table(path)
    assert told in found.value.message
    assert len(found.value.message) < 1000


@pytest.mark.parametrize(
    ("content", "first"),
    [
        (b's,y\n"5"" disk",1\n' + ROWS, '5" disk'),
        (b's,y\n5" disk,1\n' + ROWS, '5" disk'),
        (b's,y\n"a\nb",1\n' + ROWS, "a\nb"),
        (b"s,y\n" + b"x" * 200_000 + b",1\n" + ROWS, "x" * 200_000),
        (b'"s","y"\r\n"a",1\r\n' + ROWS.replace(b"\n", b"\r\n"), "a"),
        (b"s;y\na,b;1\n" + ROWS.replace(b",", b";"), "a,b"),
    ],
    ids=["doubled", "inside", "over lines", "long", "CRLF", "semicolons"],
)
def test_what_is_one_is_read_whole(tmp_path: Path, content: bytes, first: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    frame = read_table(path).frame
    assert (len(frame), frame["s"].iloc[0], frame["s"].iloc[40]) == (41, first, "w39")
