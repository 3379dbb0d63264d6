import gzip
import io
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regraft_core.verdict import Reason
from regraft_pipeline.data import packed
from regraft_pipeline.data.content import other_format

PLAIN = b'Password,Times\na,1\n"b ""c""",2\n'


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


def read(folder: Path, content: bytes) -> Path | Reason:
    path = folder / "raw.csv"
    path.write_bytes(content)
    return packed.unpacked(path, folder)


def code(folder: Path, content: bytes) -> str:
    found = read(folder, content)
    assert isinstance(found, Reason)
    assert found.message
    assert found.remedy
    return found.code


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        gzip.compress(PLAIN, mtime=0),
        gzip.compress(PLAIN[:20], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(PLAIN[20:], mtime=0),
        zipped(**{"train.csv": PLAIN}),
        zipped(**{"data/": b"", "data/train.csv": PLAIN, "__MACOSX/._train.csv": b"x"}),
        zipped(**{"train.csv": PLAIN, ".DS_Store": b"x", "data/.gitkeep": b""}),
        zipped(**{"out/_SUCCESS": b"", "out/._SUCCESS.crc": b"x", "out/part-00000.csv": PLAIN}),
        zipped(_SUCCESS=PLAIN),
    ],
)
def test_the_one_file_is_unpacked_as_it_is(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, content)
    assert isinstance(found, Path)
    assert found.read_bytes() == PLAIN


def test_parquet_is_read_with_its_gaps_and_its_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Password": pd.Categorical(["a", 'b "c"', "d\ne"]), "Times": [1.0, 2.5, None]})
    found = read(tmp_path, parquet(frame))
    assert isinstance(found, Path)
    pd.testing.assert_frame_equal(pd.read_csv(found), frame.astype({"Password": object}), check_dtype=False)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None, "c"]).dictionary_encode(),
        pa.array(["a", None, "c"], pa.large_string()),
        pa.array(["a", None, "c"], pa.string_view()),
        pa.array([b"a", None, b"c"], pa.binary()),
        pa.array([b"a", None, b"c"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type)[:20],
)
def test_words_may_be_stored_in_any_way(tmp_path: Path, column: pa.Array) -> None:
    out = io.BytesIO()
    when = pa.array([pd.Timestamp("2026-01-31 12:00")] * 3)
    pq.write_table(pa.table({"word": column, "when": when}), out, use_deprecated_int96_timestamps=True)
    found = read(tmp_path, out.getvalue())
    assert isinstance(found, Path)
    assert pd.read_csv(found)["word"].fillna("").tolist() == ["a", "", "c"]
    assert pd.read_csv(found)["when"].str[:19].tolist() == ["2026-01-31 12:00:00"] * 3


@pytest.mark.parametrize("name", ["../../../etc/evil.csv", "/etc/evil.csv", "a\0b.csv", "C:\\evil.csv"])
def test_the_name_in_an_archive_leads_nowhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "one" / "two" / "three"
    folder.mkdir(parents=True)
    assert read(folder, zipped(**{name: PLAIN})) == folder / packed.UNPACKED_FILE
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"raw.csv", packed.UNPACKED_FILE}


def test_what_is_no_single_whole_file_is_refused_by_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(PLAIN * 50, mtime=0)
    assert code(tmp_path, whole[:-9]) == "archive_damaged"
    assert code(tmp_path, whole[:30] + b"\xff" + whole[31:]) == "archive_damaged"
    assert code(tmp_path, whole + b"more") == "archive_damaged"
    assert code(tmp_path, zipped(a=PLAIN, b=PLAIN)) == "archive_not_one_file"
    assert code(tmp_path, zipped(**{"xl/workbook.xml": b"x"})) == "binary_file"
    assert code(tmp_path, zipped(a=PLAIN)[:-30]) == "archive_damaged"
    assert code(tmp_path, parquet(pd.DataFrame({"a": [[1]]}))) == "column_nested"
    monkeypatch.setattr(packed, "MAX_UNPACKED_BYTES", 100)
    assert code(tmp_path, whole) == "archive_too_large"


def test_names_that_are_no_text_are_damage(tmp_path: Path) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"Times": [1], "Password": ["a"]}), out, store_schema=False)
    assert code(tmp_path, out.getvalue().replace(b"Times", b"Ti\xa8es")) == "archive_damaged"


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("[Content_Types].xml", "xl/workbook.xml"), "Excel"),
        (("[Content_Types].xml", "xl/workbook.bin"), "Excel"),
        (("[Content_Types].xml", "word/document.xml"), "Word"),
        (("mimetype", "content.xml"), "LibreOffice"),
        (("Index/Document.iwa", "Metadata/Properties.plist"), "Numbers"),
    ],
)
def test_a_document_is_told_by_its_program(tmp_path: Path, names: tuple[str, ...], what: str) -> None:
    found = read(tmp_path, zipped(**dict.fromkeys(names, b"x")))
    assert isinstance(found, Reason)
    assert found.code == "binary_file"
    assert what in found.message


def test_a_column_of_an_extension_type_is_what_it_is_stored_as(tmp_path: Path) -> None:
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16)), None], pa.binary(16)))
    words = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None]))
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ids, "word": words}), out)
    found = read(tmp_path, out.getvalue())
    assert isinstance(found, Path)
    assert pd.read_csv(found).values.tolist()[0] == ["00010203-0405-0607-0809-0a0b0c0d0e0f", '{"a":1}']


@pytest.mark.parametrize("name", ["PAR1", "PARENT", "ORC_ID", "BZh", "Rar!"])
def test_the_name_of_a_column_is_no_signature(tmp_path: Path, name: str) -> None:
    content = f"{name},y\n1,2\n".encode()
    assert read(tmp_path, content) == tmp_path / "raw.csv"
    assert other_format(content) is None
