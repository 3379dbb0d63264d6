"""What is in a packed file, as the first gate reads it: nothing becomes another value on its way."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regraft_core.contract import Column, ColumnType, Contract
from regraft_core.verdict import Reason
from regraft_core.written import NOT_KNOWN
from regraft_pipeline.data import packed
from regraft_pipeline.data.csv import open_sheet
from regraft_pipeline.data.types import typed

PLAIN = b"a,b\n1,2\n"


def values(folder: Path, column: pa.Array, kind: ColumnType) -> tuple[list[object], set[str]]:
    """Return a column of Parquet as an estimator gets it, and the codes of what is wrong with it."""
    table = pa.table({"value": column, "target": pa.array([float(row) for row in range(len(column))])})
    pq.write_table(table, folder / "raw.csv")
    plain = packed.unpacked(folder / "raw.csv", folder)
    assert isinstance(plain, Path), plain
    contract = Contract(
        task="packed",
        features=(Column(name="value", type=kind, nullable=True),),
        target=Column(name="target", type="number"),
    )
    wrong: set[str] = set()
    frames = [
        typed(text, contract, lambda code, _column, _text, rows: wrong.add(code) if rows.any() else None)
        for text in open_sheet(plain, contract).blocks()
    ]
    found = pd.concat(frames)["value"] if frames else pd.Series()
    return [None if pd.isna(value) else value for value in found], wrong


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_duration_is_never_a_number_of_a_unit_that_nobody_sees(tmp_path: Path, unit: str) -> None:
    durations = pa.array([timedelta(seconds=90), timedelta(days=-1), None], pa.duration(unit))
    assert values(tmp_path, durations, "number") == ([None], {"value_not_numeric"})
    assert values(tmp_path, durations, "integer") == ([None], {"value_not_numeric"})
    words, wrong = values(tmp_path, durations, "text")
    assert (words, wrong) == (["0 days 00:01:30", "-1 days +00:00:00", None], set())


def test_times_of_day_are_words(tmp_path: Path) -> None:
    times = pa.array([1000, None], pa.time32("ms"))
    assert values(tmp_path, times, "number") == ([None], {"value_not_numeric"})
    assert values(tmp_path, times, "text")[0] == ["00:00:01.000", None]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([date(2026, 1, 31), None]),
        pa.array([datetime(2026, 1, 31), None], pa.timestamp("s")),  # noqa: DTZ001
        pa.array([datetime(2026, 1, 31), None], pa.timestamp("ns")),  # noqa: DTZ001
        pa.array([datetime(2026, 1, 31, tzinfo=UTC), None], pa.timestamp("us", tz="UTC")),
        pa.array(["2026-01-31", None]),
        pa.array(["2026-01-31 00:00:00+00:00", "0000-00-00"]),
        pa.array(["2026-01-31T00:00:00Z", "0000-00-00 00:00:00"]),
    ],
    ids=lambda column: f"{column.type} {column[0]}",
)
def test_a_midnight_is_a_date(tmp_path: Path, column: pa.Array) -> None:
    assert values(tmp_path, column, "date") == ([pd.Timestamp("2026-01-31"), None], set())


@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime(2026, 1, 31, 1)], pa.timestamp("us")),  # noqa: DTZ001
        pa.array(["2026-01-31T00:00:00+01:00"]),
        pa.array([1769817600000]),
    ],
    ids=lambda column: f"{column.type}",
)
def test_another_time_is_none(tmp_path: Path, column: pa.Array) -> None:
    assert values(tmp_path, column, "date") == ([], {"value_not_date"})


@pytest.mark.parametrize(
    ("column", "kind", "read"),
    [
        (pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)), "number", [1.25, None]),
        (pa.array([0.1, float("nan")], pa.float32()), "number", [pytest.approx(0.1), None]),
        (pa.array([2**53, None], pa.uint64()), "integer", [2**53, None]),
        (pa.array([True, None]), "boolean", [1.0, None]),
        (pa.array([b"a", None]), "text", ["a", None]),
        (pa.array(["a", None]).dictionary_encode(), "text", ["a", None]),
        (pa.nulls(2), "number", [None, None]),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_other_types_are_what_they_say(tmp_path: Path, column: pa.Array, kind: ColumnType, read: list[object]) -> None:
    assert values(tmp_path, column, kind) == (read, set())


@pytest.mark.parametrize("word", sorted(NOT_KNOWN))
def test_what_stands_for_a_gap_does_in_every_column_that_is_no_text(tmp_path: Path, word: str) -> None:
    kinds: tuple[ColumnType, ...] = ("number", "integer", "boolean", "date", "datetime")
    for kind in kinds:
        assert values(tmp_path, pa.array([word.upper(), f" {word} "]), kind) == ([None, None], set())
    assert values(tmp_path, pa.array([word]), "text") == ([word], set())


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, PLAIN if name.endswith("csv") else b"x")
    return out.getvalue()


@pytest.mark.parametrize(
    "names",
    [
        ("..\\..\\x.csv",),
        ("../../x.csv",),
        ("/etc/x.csv",),
        ("C:\\data\\x.csv",),
        (".hidden.csv",),
        ("x.csv", "Thumbs.db", "data\\desktop.ini"),
        ("x.csv", "data\\.DS_Store"),
        ("data\\x.csv", "__MACOSX\\data\\._x.csv"),
        ("__MACOSX/._.x.csv", ".x.csv"),
    ],
)
def test_the_one_file_of_an_archive_may_have_any_name_and_stays_in_its_folder(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    (folder / "raw.csv").write_bytes(zipped(*names))
    found = packed.unpacked(folder / "raw.csv", folder)
    assert isinstance(found, Path)
    assert found.read_bytes() == PLAIN
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [folder / "raw.csv", found]


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), (".a.csv", ".b.csv"), ("readme.txt", "a.csv")])
def test_of_several_files_none_is_taken(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "raw.csv").write_bytes(zipped(*names))
    found = packed.unpacked(tmp_path / "raw.csv", tmp_path)
    assert isinstance(found, Reason)
    assert found.code == "archive_not_one_file"
