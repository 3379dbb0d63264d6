"""What is wrong with a file before its first row: one cause, one reason, and nothing that follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from regraft_core.contract import Column, Contract
from regraft_core.definition.gates import GateSettings
from regraft_core.verdict import Reason
from regraft_pipeline.gates import structure
from regraft_pipeline.tasks import Task

ROWS = [(f"{row}.5", f"w{row}", str(row)) for row in range(40)]


def nothing() -> NoReturn:
    raise NotImplementedError


TASK = Task(
    name="causes",
    contract=Contract(
        task="causes",
        features=(Column(name="n", type="number"), Column(name="s", type="string")),
        target=Column(name="y", type="number"),
    ),
    kind="regression",
    estimator=nothing,
    bootstrap=nothing,
    gates=GateSettings(min_rows=20),
)


def written(
    header: str = "n,s,y", *, above: str = "", sign: str = ",", less: tuple[str, ...] = (), more: tuple[str, ...] = ()
) -> bytes:
    rows = [sign.join((*less, *row, *more)) for row in ROWS]
    return (above + "\n".join([header.replace(",", sign), *rows]) + "\n").encode()


def reasons(folder: Path, content: bytes) -> list[Reason]:
    path = folder / "raw.csv"
    path.write_bytes(content)
    return structure.check(path, TASK, folder).reasons


HEADERS = [
    (written(above="# made by a program\n# on a day\n"), "header_below", "line 3"),
    (written(above="Report of sales\n\n"), "header_below", "line 3"),
    (written(above="Report of sales,,\n"), "header_below", "line 2"),
    (written(sign=";", above="Bericht;;\n;;\n"), "header_below", "line 3"),
    (written(above="2026,1,1\n"), "header_below", "line 2"),
    (b"% Title: a\n%\n@RELATION a\n\n@ATTRIBUTE n NUMERIC\n@DATA\n" + written(), "header_missing", "ARFF"),
    (written(sign="|", above="+---+---+---+\n"), "header_below", "line 2"),
    (written(sign="|"), "wrong_delimiter", "bars"),
    (written(sign="\x01"), "wrong_delimiter", r"'\x01'"),
    (written(sign="\x1f"), "wrong_delimiter", r"'\x1f'"),
    *((written(f"{mark}n,s,y"), "header_commented", mark) for mark in ("#", "# ", "%", "//", "-- ", "; ", "! ", "*")),
    (b"404: Not Found", "header_missing", "404: Not Found"),
    (b"Access denied.\nAsk the owner.\n", "header_missing", "Access denied. Ask the owner."),
    (b"../data/raw.csv", "header_missing", "a text and no table"),
    (written().partition(b"\n")[2], "header_missing", "'0.5'"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs_pointer", "Git LFS"),
    (b"/annex/objects/SHA256E-s1--0.csv\n", "lfs_pointer", "git-annex"),
    (b"../../.git/annex/objects/a/b/c", "lfs_pointer", "git-annex"),
    (b"outs:\n- md5: 0\n  size: 1\n  path: data.csv\n", "lfs_pointer", "DVC"),
    (b"md5: 0\nouts:\n- md5: 0\n  hash: md5\n  path: data.csv\n", "lfs_pointer", "DVC"),
    (written(above="sep=;\n"), "wrong_delimiter", "says that semicolons separate"),
    (written(above="sep=,\n", sign="\t"), "wrong_delimiter", "and tabs do"),
    (written("n,s,y,", more=("",)), "column_unnamed", "lines end with a delimiter"),
    (written("n,s,y,,", more=("", "")), "column_unnamed", "columns 4, 5"),
    (written(",n,s,y", less=("0",)), "column_unnamed", "pandas writes its index so"),
    (written(",,n,s,y", less=("0", "1")), "column_unnamed", "columns 1, 2"),
    (written("n,s,y,__index_level_0__", more=("0",)), "column_unnamed", "pandas writes its index so"),
]


LINE_ENDS = ["\x85", "\u2028", "\u2029", "\v", "\f", "\\n", "\\r\\n"]


@pytest.mark.parametrize("end", LINE_ENDS)
def test_lines_that_end_where_no_line_of_a_csv_ends_are_one_reason(tmp_path: Path, end: str) -> None:
    found = reasons(tmp_path, written().decode().replace("\n", end).encode())
    assert [one.code for one in found] == ["header_unreadable"], found
    assert "lines end in" in found[0].message


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_header_that_is_missing_is_told_whatever_separates_the_columns(tmp_path: Path, sign: str) -> None:
    found = reasons(tmp_path, written(sign=sign).partition(b"\n")[2])
    assert [one.code for one in found] == ["header_missing"], found


@pytest.mark.parametrize("blank", [b"  ", b"\t", b" \t "])
def test_a_line_of_blanks_is_no_row(tmp_path: Path, blank: bytes) -> None:
    assert not reasons(tmp_path, written().replace(b"\n5.5", b"\n" + blank + b"\n5.5") + blank + b"\n")
    found = reasons(tmp_path, written() + blank + b"\nx\n")
    assert [row["line"] for row in found[0].rows] == [43]


@pytest.mark.parametrize("end", ["Total,90\n", "(40 rows)\n", "1.5,w", "# end\n"])
def test_what_stands_below_the_last_row_is_told(tmp_path: Path, end: str) -> None:
    found = reasons(tmp_path, written() + end.encode())
    assert [one.code for one in found] == ["row_ragged"]
    assert "cut off" in found[0].remedy
    assert "cut off" not in reasons(tmp_path, written().replace(b"\n5.5", b"\nx\n5.5"))[0].remedy


@pytest.mark.parametrize(("content", "code", "told"), HEADERS)
def test_one_cause_is_one_reason(tmp_path: Path, content: bytes, code: str, told: str) -> None:
    found = reasons(tmp_path, content)
    assert [one.code for one in found] == [code], found
    assert told in found[0].message
    assert found[0].remedy


@pytest.mark.parametrize(
    "header",
    [
        *("N,S,Y", "'n','s','y'", "`n`,`s`,`y`", "[n],[s],[y]", "(n),(s),(y)", " n, s, y", "n:,s:,y:", "t.n,t.s,t.y"),
        "\u200bn,\ufeffs,y\u00a0",
    ],
)
def test_a_name_in_other_letters_or_signs_is_the_same_name(tmp_path: Path, header: str) -> None:
    found = reasons(tmp_path, written(header))
    assert [(one.code, one.column) for one in found] == [("column_renamed", name) for name in ("n", "s", "y")]


@pytest.mark.parametrize("header", ["a,s,y", "n,s,why", "count,s,y"])
def test_another_name_is_another(tmp_path: Path, header: str) -> None:
    assert [one.code for one in reasons(tmp_path, written(header))] == ["column_missing", "column_unknown"]


def test_values_and_titles_that_look_like_names_make_no_header_of_a_row(tmp_path: Path) -> None:
    found = reasons(tmp_path, b"a,b,c\n1,2,3\n")
    assert {one.code for one in found} == {"column_missing", "column_unknown"}


@pytest.mark.parametrize("rows", [written(more=("",)), written(less=("0",))])
def test_where_all_rows_have_a_value_more_it_is_told_what_writes_so(tmp_path: Path, rows: bytes) -> None:
    found = reasons(tmp_path, rows)
    assert [one.code for one in found] == ["row_ragged"]
    assert "row names" in found[0].remedy
    assert "end" in found[0].remedy


FEW = [
    (b"n,s,y\n" + b"1,a,1\n" * 40, ["duplicates"]),
    (b"n,s,y\n" + b"x,a,1\n" * 40, ["value_not_numeric"]),
    (b"n,s,y\n" + b"1,a\n" * 40, ["row_ragged"]),
    (b"n,s,y\n" + b"".join(b"%d,a%d,%d\n" % (row, row, row) for row in range(10)), ["too_few_rows"]),
    (b"n,s,y\n" + b"".join(b"%d,a%d,%d\n" % (row, row, row) for row in range(10)) + b"x,a,1\n", None),
]


@pytest.mark.parametrize(("content", "codes"), FEW)
def test_that_few_rows_are_left_is_told_where_nothing_else_tells_it(
    tmp_path: Path, content: bytes, codes: list[str] | None
) -> None:
    found = [one.code for one in reasons(tmp_path, content)]
    assert found == (codes or ["value_not_numeric", "too_few_rows"])
