"""Datasets that come packed: gzip, a ZIP with one file, Parquet. They are unpacked to the CSV that they hold."""

from __future__ import annotations

import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_pipeline.data.content import HEAD_BYTES, is_signed
from regraft_pipeline.data.reasons import listed, reason

UNPACKED_FILE = "unpacked.csv"
MAX_UNPACKED_BYTES = 1 << 30
"""Most that a packed file may hold, bytes; as much as a dataset may have by default."""

COPY_BYTES = 1 << 20
PARQUET_ROWS = 50_000
PIECE_BYTES = 1 << 26
"""Bytes of words that are written out at once."""


_SHADOW = re.compile(r"__MACOSX[/\\]")
_HIDDEN = re.compile(r"(^|[/\\])([._][^/\\]*|thumbs\.db|desktop\.ini)$", re.IGNORECASE)
_DOCUMENTS = {
    "xl/workbook.xml": "an Excel workbook",
    "xl/workbook.bin": "an Excel workbook",
    "word/document.xml": "a Word document",
    "content.xml": "a document of LibreOffice",
    "Index/Document.iwa": "a document of Numbers",
}
"""ZIP archives that are documents, by a file that is in them."""

DAMAGED = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
    RuntimeError,  # encrypted, or packed by a method that is not known
    *(pa.ArrowException, ValueError, OverflowError, MemoryError),  # names that are no text, sizes that cannot be
)
"""What the unpackers raise for what they cannot unpack."""


class TooLargeError(Exception):
    """A packed file holds more than is allowed."""


def unpacked(path: Path, folder: Path) -> Path | Reason:
    """Return the CSV that a file holds, which is the file itself where it is not packed, or why there is none."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for signature, unpack in _UNPACKERS.items():
        if is_signed(head, signature):
            target = folder / UNPACKED_FILE
            try:
                return unpack(path, target) or target
            except TooLargeError:
                return _too_large()
            except DAMAGED as error:
                return _damaged(str(error))
    return path


def _gzip(path: Path, target: Path) -> Reason | None:
    with gzip.open(path) as packed:
        _copy(packed, target)
    return None


def _zip(path: Path, target: Path) -> Reason | None:
    with zipfile.ZipFile(path) as archive:
        contents = _contents(archive.infolist())
        document = next((what for name, what in _DOCUMENTS.items() if name in archive.namelist()), None)
        if len(contents) != 1 or document:
            return _not_one([info.filename for info in contents], document)
        with archive.open(contents[0]) as packed:
            _copy(packed, target)
    return None


def _contents(infos: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Return the entries that are more than what programs leave: folders, shadows, hidden files beside others.

    Hidden is what begins with a dot, and as Hadoop and Spark have it with an underscore: ``_SUCCESS``.

    Of a name its last part counts, whatever the system that wrote it has between the parts; nothing is written there.
    """
    files = [info for info in infos if not info.is_dir() and not _SHADOW.match(info.filename)]
    return [info for info in files if not _HIDDEN.search(info.filename)] or files


def _parquet(path: Path, target: Path) -> Reason | None:
    # One word that a dictionary repeats in every row takes nothing until it is written out: words stay in it that long.
    words = [field.name for field in pq.read_schema(path) if _is_words(field.type)]
    with pq.ParquetFile(path, read_dictionary=words) as file:
        nested = [field.name for field in file.schema_arrow if pa.types.is_nested(field.type)]
        if nested:
            return reason(
                Code.COLUMN_NESTED, f"columns of lists or structures: {listed(nested)}", "columns of one value a row"
            )
        if file.metadata.num_rows * max(len(file.schema_arrow), 1) > MAX_UNPACKED_BYTES:
            raise TooLargeError
        with target.open("wb") as out:
            first = True
            for batch in file.iter_batches(PARQUET_ROWS, use_threads=False):
                for piece in _pieces(batch, MAX_UNPACKED_BYTES - out.tell()):
                    table = _plain(pa.Table.from_batches([piece]))
                    csv.write_csv(table, out, csv.WriteOptions(include_header=first))
                    first = False
                if out.tell() > MAX_UNPACKED_BYTES:
                    raise TooLargeError
            if first:
                csv.write_csv(_plain(file.schema_arrow.empty_table()), out)
    return None


def _pieces(batch: pa.RecordBatch, left: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch so small that its pieces can be written out. Raises TooLargeError for one of over ``left`` bytes."""
    size = sum(_characters(column) for column in batch.columns if _is_words(getattr(column.type, "value_type", None)))
    if size > left:
        raise TooLargeError
    rows = max(batch.num_rows * PIECE_BYTES // max(size, PIECE_BYTES), 1)
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _is_words(of: pa.DataType | None) -> bool:
    return of in (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())


def _characters(words: pa.DictionaryArray) -> int:
    """Return how many bytes the words of a column have, each as often as it is there."""
    lengths = pc.cast(pc.binary_length(words.dictionary), pa.int64())
    return pc.sum(lengths.take(words.indices)).as_py() or 0


def _plain(table: pa.Table) -> pa.Table:
    """Return a table whose columns can be written as text.

    Durations become the words that pandas writes: as numbers they would mean another time with each unit. Columns of an
    extension type are what they are stored as, and UUIDs as people write them.
    """
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.UuidType):
            ids = [None if one is None else str(one) for one in table.column(place).to_pylist()]
            table = table.set_column(place, field.name, pa.array(ids, pa.string()))
        elif isinstance(field.type, pa.BaseExtensionType):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.storage_type))
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
        if pa.types.is_duration(field.type):
            words = table.column(place).to_pandas().astype("string[pyarrow]")
            table = table.set_column(place, field.name, pa.array(words, pa.string()))
    return table


def _copy(packed: gzip.GzipFile | IO[bytes], target: Path) -> None:
    left = MAX_UNPACKED_BYTES
    with target.open("wb") as out:
        while block := packed.read(COPY_BYTES):
            left -= len(block)
            if left < 0:
                raise TooLargeError
            out.write(block)


def _not_one(names: list[str], document: str | None) -> Reason:
    if document:
        return reason(Code.BINARY_FILE, f"the file is {document}, not a CSV", "the sheet saved as CSV")
    what = f"{len(names):,} files: {listed(names)}" if names else "no file"
    return reason(Code.ARCHIVE_NOT_ONE_FILE, f"the ZIP archive holds {what}", "an archive with one CSV in it")


def _damaged(why: str) -> Reason:
    return reason(
        Code.ARCHIVE_DAMAGED, f"the file cannot be unpacked: {why[:200]}", "the file packed again, or as it is"
    )


def _too_large() -> Reason:
    return reason(
        Code.ARCHIVE_TOO_LARGE,
        f"unpacked the file has more than {MAX_UNPACKED_BYTES >> 20:,} MiB",
        f"at most {MAX_UNPACKED_BYTES >> 20:,} MiB",
        figures={"limit": MAX_UNPACKED_BYTES},
    )


_UNPACKERS: dict[bytes, Callable[[Path, Path], Reason | None]] = {
    b"\x1f\x8b": _gzip,
    b"PK\x03\x04": _zip,
    b"PAR1": _parquet,
}

__all__ = ["MAX_UNPACKED_BYTES", "UNPACKED_FILE", "unpacked"]
