import csv
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from regraft_core.contract import Column, Contract
from regraft_pipeline.data import csv as reading
from regraft_pipeline.data import quotes
from regraft_pipeline.data.lines import MOST_RAGGED
from regraft_pipeline.data.reasons import examples

CONTRACT = Contract(
    task="passwords",
    features=(Column(name="Password", type="string"),),
    target=Column(name="Times", type="number", minimum=0),
)
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Sheet:
    """All that can be read of a file, its blocks put together."""

    def __init__(self, path: Path) -> None:
        sheet = reading.open_sheet(path, CONTRACT)
        blocks = list(sheet.blocks())
        self.rows, self.reasons, self.readable = sheet.rows, sheet.reasons, sheet.readable
        self.text = pd.concat(blocks) if blocks else pd.DataFrame()
        assert len(self.text) == (sheet.text_rows if sheet.readable else len(self.text))


def codes(path: Path) -> list[str]:
    return [reason.code for reason in Sheet(path).reasons]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf \n\n", "empty_file"),
        (b"Password,Times", "no_rows"),
        (b"Password,Times\r\n", "no_rows"),
        (b"Password,Times\n\n\n", "no_rows"),
        (b"PK\x03\x04 and so on", "binary_file"),
        (bytes(range(1, 32)) * 40, "binary_file"),
        (b"Password,Times\na\x00b,1\n", "nul_bytes"),
        (b"Password,Times\nf\xfcr,1\n", "not_utf8"),
        (b"Password,Times\nf,1\n\xc3", "not_utf8"),
        ("Password,Times\na,1\n".encode("utf-16"), "not_utf8"),
        (b"  <!DOCTYPE html><title>Not here</title>", "looks_like_html"),
        (b"<!-- hello -->\n<html>", "looks_like_html"),
        (b'{"Password": ["a"], "Times": [1]}', "looks_like_json"),
        (b'[\n  {"Password": "a"}\n]', "looks_like_json"),
        (b"Password|Times\na|1\n", "wrong_delimiter"),
        (b"Password:Times\na:1\n", "wrong_delimiter"),
        (b"Password  Times\na         1\n", "wrong_delimiter"),
        (b"Password\x01Times\n" + b"correct horse battery staple\x011\n" * 3, "wrong_delimiter"),
        ("Password\u3001Times\na\u30011\n".encode(), "wrong_delimiter"),
        (b"| Password | Times |\n| --- | --- |\n| a | 1 |\n", "wrong_delimiter"),
        (b"7z\xbc\xaf\x27\x1c and so on", "binary_file"),
        (b"$FL2@(#) SPSS DATA FILE" + b"\2\0\0\0" * 40, "binary_file"),
        (b"PARE\x15\x00\x15\x10" + b"\0" * 40, "binary_file"),
        (b"ORC\x08\x03" + b"abc" * 100, "binary_file"),
        (b"<stata_dta><header><release>118</release>", "binary_file"),
        ("Password,Times\na,1\n".encode("utf-16-le"), "not_utf8"),
        ("Password,Times\na,1\n".encode("utf-32"), "not_utf8"),
        (b'<div class="login">Sign in</div>', "looks_like_html"),
        (b"<!---->" * 40 + b"<p>", "looks_like_html"),
        (b"<!--" * 4000, "header_missing"),
        (b"[" * 65536, "looks_like_json"),
        (b'<?xml version="1.0"?><rows/>', "looks_like_xml"),
        (b"<rss version='2.0'><channel/></rss>", "looks_like_xml"),
        (b"<!DOCTYPE lolz [<!ENTITY lol 'lol'>]><lolz>&lol;</lolz>", "looks_like_xml"),
        (b"<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'/>", "looks_like_xml"),
        (b'<html xmlns="http://www.w3.org/1999/xhtml">', "looks_like_html"),
        (b"<!DOCTYPE html>", "looks_like_html"),
        (b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", "looks_like_xml"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 12\n", "lfs_pointer"),
        (b"a,1\nb,2\n", "header_missing"),
        (b"# Password,Times\na,1\n", "header_commented"),
        (b'"Password,Times"\n"a,1"\n', "line_in_quotes"),
        (b",Password,Times\n0,a,1\n", "column_unnamed"),
        (b"Unnamed: 0,Password,Times\n0,a,1\n", "column_unnamed"),
        (b"Password,Times\na\rb,1\n", "line_end_stray"),
        (b'Password,Times\n"abc"def,1\n', "quote_stray"),
        (b'Password,Times\n"abc" ,1\n', "quote_stray"),
        (b'Password,Times\n "abc",1\n', "quote_stray"),
        (b'Password,Times\n"abc,1\nx,2\n"def,3\n', "quote_stray"),
        (b'Password,Times\n"abc,1\nx,2\n",3\n', "quote_swallows"),
        (b"Password,Count\na,1\n", "column_missing"),
        (b"password,Times\na,1\n", "column_renamed"),
        (b"Passwords,Times\na,1\n", "column_renamed"),
        (b"Password,Times,Password\na,1,b\n", "column_duplicated"),
        (b"Password,Times,Place\na,1,b\n", "column_unknown"),
        (b"Password,Times\na,1\nb\nc,1,2\n", "row_ragged"),
        (b'Password,Times\na,1\n"b,1\nc,2\n', "quote_unclosed"),
        (b"Password,Times\n" + b"a" * 3 * reading.BLOCK_BYTES + b",1\n", "row_too_long"),
        (b'"Password,Times\na,1\n', "header_unreadable"),
    ],
)
def test_each_kind_of_broken_file_has_a_code_of_its_own(
    write: Callable[[bytes], Path], content: bytes, code: str
) -> None:
    assert code in codes(write(content))


def test_the_line_of_a_bad_byte_is_named(write: Callable[[bytes], Path]) -> None:
    content = b"Password,Times\n" + b"abc,1\n" * 1_000_000
    position = content.index(b"abc", 5_000_000)
    path = write(content[:position] + b"\xff" + content[position + 1 :])
    line = content.count(b"\n", 0, position) + 1
    assert Sheet(path).reasons[0].rows == [{"line": line}]


def test_a_character_across_two_blocks_is_read(write: Callable[[bytes], Path]) -> None:
    start = b"Password,Times\n"
    rows = b"a,1\n" * ((reading.BLOCK_BYTES - len(start)) // 4)
    rows += b"x" * (reading.BLOCK_BYTES - len(start) - len(rows) - 1)
    sheet = Sheet(write(start + rows + "ü,1\n".encode()))
    assert sheet.text["Password"].iloc[-1].endswith("ü")


def test_every_value_is_text_and_no_word_is_special(write: Callable[[str], Path]) -> None:
    words = ["null", "nan", "NA", "None", "true", "1", "-0", " a ", 'quo"te', "com,ma", "line\nbreak", "ключ", "🔑"]
    text = io.StringIO()
    csv.writer(text).writerows([["Times", "Password"], *(["1", word] for word in words)])
    sheet = Sheet(write("\ufeff" + text.getvalue()))
    assert sheet.reasons == []
    assert sheet.text["Password"].tolist() == words
    assert list(sheet.text.columns) == ["Password", "Times"]


def test_lines_count_the_breaks_inside_quotes_and_the_ragged_rows(write: Callable[[str], Path]) -> None:
    sheet = Sheet(write('Password,Times\n"a\nb\nc",1\nragged\nd,2\n\ne,3\n\n\n'))
    assert sheet.text.index.tolist() == [2, 6, 8]
    assert sheet.rows == 4
    assert sheet.reasons[0].rows == [{"line": 5, "text": "ragged"}]


def test_rows_behind_a_megabyte_of_blank_lines_are_read(write: Callable[[str], Path]) -> None:
    sheet = Sheet(write("Password,Times\n" + "\n" * (1 << 21) + "abc,1\n"))
    assert sheet.text.index.tolist() == [(1 << 21) + 2]
    assert (sheet.rows, sheet.reasons) == (1, [])


def test_blocks_are_numbered_as_one_file(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f'"a{row}\n",1' if row % 7 == 0 else f"b{row}" if row % 11 == 0 else f"c{row},2" for row in range(300)]
    path = write("Password,Times\n" + "\n".join([*rows[:200], *[""] * 90, *rows[200:]]) + "\n" + "\n" * 300)
    whole = Sheet(path)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 64)
    blocks = list(reading.open_sheet(path, CONTRACT).blocks())
    assert len(blocks) > 10
    pd.testing.assert_frame_equal(pd.concat(blocks), whole.text)
    split = Sheet(path)
    assert (split.rows, split.reasons) == (whole.rows, whole.reasons) == (300, whole.reasons)
    assert [row["line"] for row in split.reasons[0].rows] == [15, 28, 40, 53, 65]
    lines = path.read_text().split("\n")
    for line, text in zip(split.text.index.tolist(), split.text["Password"], strict=True):
        assert lines[line - 1].strip('"').startswith(text.strip())
    chosen = split.text.iloc[[80, 1]]
    pd.testing.assert_frame_equal(reading.text_at(path, CONTRACT, chosen.index.tolist()), chosen)


def test_long_values_are_cut_in_examples(write: Callable[[str], Path]) -> None:
    sheet = Sheet(write(f"Password,Times\n{'a' * 1000},1\n"))
    assert examples(sheet.text) == [{"line": 2, "Password": "a" * 200 + "…", "Times": "1"}]


@SHARED
@given(content=st.binary(max_size=300))
@example(content=b"Password,Times\n\r\r\n,")
@example(content=b'Password,Times\n"\n"')
def test_arbitrary_bytes_give_reasons_and_never_an_error(write: Callable[[bytes], Path], content: bytes) -> None:
    for start in (b"", b"Password,Times\n"):
        sheet = Sheet(write(start + content))
        assert sheet.readable or sheet.reasons


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@SHARED
@given(rows=st.lists(st.tuples(VALUES.filter(bool), VALUES), min_size=1, max_size=12))
def test_what_is_written_as_csv_is_read_back_as_it_was(
    write: Callable[[str], Path], rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("Password", "Times"), *rows])
    path = write(text.getvalue())
    sheet = Sheet(path)
    if not {reason.code for reason in sheet.reasons} & {"binary_file"}:
        assert list(sheet.text.itertuples(index=False, name=None)) == rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Password;Times\na;1\nb,c;2\n", ["a", "b,c"]),
        (b"Password\tTimes\na\t1\n", ["a"]),
        (b"sep=,\nPassword,Times\na,1\n", ["a"]),
        (b"sep=;\r\nPassword;Times\r\na;1\r\n", ["a"]),
        (b"\n  \r\n\xef\xbb\xbf"[:5] + b"Password,Times\na,1\n", ["a"]),
        (b"\xef\xbb\xbf\n\nPassword,Times\na,1\n", ["a"]),
        (b"Password,Times\r\r\na,1\r\r\nb,2\r\r\n", ["a", "b"]),
        (b"Password,Times\ra,1\rb,2\r", ["a", "b"]),
        (b"Password,Times\na,1\n,\n\nb,2\n", ["a", "b"]),
        (b'Password,Times\nquo"te,1\na""b,2\n', ['quo"te', 'a""b']),
        (b'Password,Times\n"quo""te",1\n"",2\n"""",3\n', ['quo"te', "", '"']),
    ],
)
def test_what_can_be_meant_in_one_way_only_is_read(
    write: Callable[[bytes], Path], content: bytes, words: list[str]
) -> None:
    sheet = Sheet(write(content))
    assert sheet.reasons == []
    assert sheet.text["Password"].tolist() == words


def test_one_cause_is_one_reason_however_many_columns_it_touches(write: Callable[[str], Path]) -> None:
    header = ",".join(["Password", "Times", *(f"c{n},c{n}" for n in range(20_000))])
    found = Sheet(write(f"{header}\na,1\n")).reasons
    assert [reason.code for reason in found][:2] == ["column_unknown", "column_duplicated"]
    assert found[0].message.startswith("20,000 columns are not in the contract: 'c0', 'c1'")
    assert found[0].message.endswith("and 19,995 more")
    assert "'role: ignored'" in found[0].remedy


def test_columns_that_may_be_left_aside_are_no_reason(write: Callable[[bytes], Path]) -> None:
    path = write(b"id,Password,Times,note\n1,a,1,x\n")
    ignoring = CONTRACT.model_copy(update={"ignored": ("id",)})
    assert [reason.column for reason in reading.open_sheet(path, ignoring).reasons] == ["note"]
    anything = CONTRACT.model_copy(update={"extra_columns": "ignore"})
    assert reading.open_sheet(path, anything).reasons == []


@pytest.mark.parametrize("place", [2, 3, 200])
def test_the_line_of_the_quote_that_is_wrong_is_named(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(quotes, "BLOCK_BYTES", 16)
    lines = ["Password,Times", *('"a ""b"" c",1' for _ in range(300))]
    lines[place - 1] = '"a"b,1'
    reason = Sheet(write("\n".join(lines))).reasons[0]
    assert (reason.code, reason.rows) == ("quote_stray", [{"line": place, "text": '"a"b,1'}])


ROWS = st.lists(st.tuples(VALUES, st.integers(0, 99).map(str)), min_size=1, max_size=12)


@SHARED
@given(rows=ROWS, data=st.data())
def test_either_the_very_rows_are_read_or_a_line_is_named(
    write: Callable[[str], Path], rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Rows as programs write them, good and bad: quoted where needed, never quoted, by tabs, with escapes left out."""
    delimiter = data.draw(st.sampled_from([",", ";", "\t"]))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    quoting = data.draw(st.sampled_from(["minimal", "all", "none"]))
    if quoting == "none":  # as SELECT ... INTO OUTFILE without ENCLOSED BY, or a join of strings
        text = end.join([delimiter.join(row) for row in [("Password", "Times"), *rows]]) + end
    else:
        out = io.StringIO(newline="")
        table = [("Password", "Times"), *rows]
        if quoting == "all":
            csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
        else:
            csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(table)
        text = out.getvalue()
    sheet = Sheet(write(text))
    refused = {reason.code for reason in sheet.reasons}
    if refused:
        lined = [reason for reason in sheet.reasons if reason.rows]
        assert lined or refused & {"binary_file", "no_rows", "empty_file"}
        return
    found = list(sheet.text.itertuples(index=False, name=None))
    if quoting != "none":
        assert found == rows
    else:  # breaks inside of a value that nothing marks make rows; what is read is what the lines say
        assert delimiter.join(found[0]) in text


def test_where_most_rows_are_ragged_the_file_is_not_read_to_its_end(write: Callable[[str], Path]) -> None:
    good = 'Password,Times\n"a\nb",1\n\n'
    sheet = Sheet(write(good + "c\n" * (MOST_RAGGED + 5_000)))
    found = sheet.reasons[0]
    assert (found.code, sheet.readable) == ("row_ragged", False)
    assert found.rows == [{"line": line, "text": "c"} for line in range(5, 10)]
    assert found.figures == {"rows": MOST_RAGGED, "limit": 0}
