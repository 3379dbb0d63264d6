"""Datasets that were made to do harm: small files that ask for much work, much memory, or many words.

Each is made for a scale: 1 is the small form, which is made and refused within a second or two.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from tests.checker.client import HEART_DISEASE, PASSWORDS
from tests.checker.datasets import HEART_HEADER, to_csv

HEADER = b"Password,Times\n"
MIB = 1 << 20


@dataclass(frozen=True)
class Hostile:
    """A hostile dataset: who makes its bytes, which task it is sent to, and the code that it ends with."""

    name: str
    make: Callable[[int], bytes]
    code: str
    task: str = PASSWORDS
    content_type: str = "text/csv"


def comments(scale: int) -> bytes:
    """Comments of HTML that a careless expression tries in every way."""
    return b"<!---->" * (40 * scale) + b"x"


def brackets(scale: int) -> bytes:
    """Lists in lists, deeper than a parser calls itself."""
    return b"[" * (65_536 * scale)


def objects(scale: int) -> bytes:
    """Objects in objects."""
    return b'{"a":' * (20_000 * scale)


def columns_twice(scale: int) -> bytes:
    """A header that names thousands of columns, each twice."""
    names = b",".join(b"c%d" % number for number in range(9_500 * scale))
    return names + b"," + names + b"\n"


def blank_rows(scale: int) -> bytes:
    """Rows without a value, which weigh nothing when they are packed."""
    return HEADER + b",\n" * (100_000 * scale)


def blank_lines(scale: int) -> bytes:
    """Lines without anything, and a row at their end."""
    return HEADER + b"\n" * (500_000 * scale) + b"abc,1\n"


def one_line(scale: int) -> bytes:
    """A line that does not end."""
    return b"a" * (2 * MIB * scale)


def open_quote(scale: int) -> bytes:
    """A quote that is not closed, and rows behind it."""
    return HEADER + b'"abc,1\n' + b"abc,1\n" * (100_000 * scale)


def quotes(scale: int) -> bytes:
    """Nothing but quotes."""
    return HEADER + b'"' * (MIB * scale + 1)


def long_numbers(scale: int) -> bytes:
    """Numbers of so many digits that reading one takes their square."""
    return HEADER + b"".join(b"abc%d,%s\n" % (row, b"9" * (5_000 * scale)) for row in range(100))


def long_numbers_of_patients(scale: int) -> bytes:
    """The same in every column of another task."""
    return to_csv(HEART_HEADER, [["1" * (5_000 * scale)] * len(HEART_HEADER)] * 3)


def long_cells(scale: int) -> bytes:
    """Passwords as long as books."""
    return HEADER + b"".join(b"%d%s,1\n" % (row, b"a" * (200_000 * scale)) for row in range(10))


def ragged(scale: int) -> bytes:
    """Rows of another length than the header."""
    return HEADER + b"abc,1,2,3\n" * (100_000 * scale)


def wide_rows(scale: int) -> bytes:
    """Rows with thousands of values too many."""
    return HEADER + (b"a," * (100_000 * scale) + b"1\n") * 3


def repeated(scale: int) -> bytes:
    """One row again and again."""
    return HEADER + b"abc,1\n" * (300_000 * scale)


def steering_names(scale: int) -> bytes:
    """Names of columns that steer a terminal, and are scripts."""
    return b"\x1b]0;owned\x07Password<script>alert(1)</script>" * scale + b",\x1b[31mTimes\nabc,1\n"


def gzip_of_nothing(scale: int) -> bytes:
    """A file of zeros, packed a thousandfold."""
    return gzip.compress(b"\0" * (64 * MIB * scale))


def gzip_of_blanks(scale: int) -> bytes:
    """Blank rows, packed a thousandfold."""
    return gzip.compress(blank_rows(4 * scale))


def zip_of_rows(scale: int) -> bytes:
    """Rows, packed a thousandfold."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", HEADER + b"abc,1\n" * (MIB * scale))
    return packed.getvalue()


def _words(rows: int) -> bytes:
    import pyarrow as pa  # noqa: PLC0415  (heavy, and needed here alone)
    import pyarrow.parquet as pq  # noqa: PLC0415

    words = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a" * 100_000]))
    packed = io.BytesIO()
    pq.write_table(pa.table({"Password": words, "Times": pa.array([1.0] * rows)}), packed, compression="zstd")
    return packed.getvalue()


def parquet_of_one_word(scale: int) -> bytes:
    """One long word that a dictionary repeats in every row: megabytes that become gigabytes."""
    return _words(50_000 * scale)


def parquet_of_long_words(scale: int) -> bytes:
    """The same, of so few rows that it can be unpacked."""
    return _words(250 * scale)


GZIP, ZIP, PARQUET = "application/gzip", "application/zip", "application/vnd.apache.parquet"

HOSTILE = (
    Hostile("comments", comments, "header_missing"),
    Hostile("brackets", brackets, "looks_like_json"),
    Hostile("objects", objects, "looks_like_json", HEART_DISEASE),
    Hostile("columns_twice", columns_twice, "column_duplicated"),
    Hostile("blank_rows", blank_rows, "no_rows"),
    Hostile("blank_lines", blank_lines, "too_few_rows"),
    Hostile("one_line", one_line, "header_unreadable", HEART_DISEASE),
    Hostile("open_quote", open_quote, "quote_unclosed"),
    Hostile("quotes", quotes, "quote_unclosed"),
    Hostile("long_numbers", long_numbers, "value_infinite"),
    Hostile("long_numbers_of_patients", long_numbers_of_patients, "value_infinite", HEART_DISEASE),
    Hostile("long_cells", long_cells, "value_too_long"),
    Hostile("ragged", ragged, "row_ragged"),
    Hostile("wide_rows", wide_rows, "row_ragged"),
    Hostile("repeated", repeated, "duplicates"),
    Hostile("steering_names", steering_names, "column_missing"),
    Hostile("gzip_of_nothing", gzip_of_nothing, "binary_file", content_type=GZIP),
    Hostile("gzip_of_blanks", gzip_of_blanks, "no_rows", content_type=GZIP),
    Hostile("zip_of_rows", zip_of_rows, "duplicates", content_type=ZIP),
    Hostile("parquet_of_long_words", parquet_of_long_words, "value_too_long", content_type=PARQUET),
    Hostile("parquet_of_one_word", parquet_of_one_word, "archive_too_large", content_type=PARQUET),
)
