"""Datasets: the very rows are read, or the file is refused; whatever it is, the reasons are few and short."""

from __future__ import annotations

import csv
import gzip
import io
import random
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Literal

import pandas as pd

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_pipeline.data import csv as reading
from regraft_pipeline.data.packed import unpacked
from regraft_pipeline.gates import structure
from regraft_pipeline.tasks import Task, heart_disease, passwords
from tests.fuzz.target import Target, WrongError

MOST_CPU_SECONDS = 10.0
"""Most for one input, which is small."""

MOST_REASONS = 100
MOST_BYTES_OF_REASONS = 1 << 18

PASSWORDS, HEART_DISEASE = passwords.TASK, heart_disease.TASK
_CODES = {str(code) for code in Code}
_QUOTINGS: tuple[Literal[0, 1, 2], ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
_ENDS = ("\n", "\r\n", "\r\r\n", "\r")
WORDS = (
    *(b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\0", b" ", b"\\", b"'", b"=", b"\x1b[31m"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", "\u2028".encode(), "\u00a0".encode(), "😀".encode()),
    *(b"?", b"\\N", b"NA", b"#N/A N/A", b"nan", b"null", b"inf", b"1e400", b"-0.0", b"1,000", b"0,5", b"12%"),
    *(b"True", b"sep=;\n", b"Password,Times\n", b"# ", b"<!--", b"-->", b"<html>", b"<?xml", b"[", b"{", b"PK\x03\x04"),
)


def _passwords(source: random.Random) -> bytes:
    words = ["hunter2", "a,b", 'c"d', '"e"', " f ", "g\nh", "", "пароль", "NA", "x" * 40, "a;b", "\t"]
    rows = [(source.choice(words) + str(source.randrange(999)), source.randrange(9)) for _ in range(40)]
    return _written(source, [("Password", "Times"), *rows])


def _patients(source: random.Random) -> bytes:
    columns = list(HEART_DISEASE.contract.columns)
    rows = [[_cell(column.categories, source) for column in columns] for _ in range(40)]
    return _written(source, [[column.name for column in columns], *rows])


def _cell(categories: object, source: random.Random) -> object:
    return source.choice(categories) if isinstance(categories, tuple) else source.randrange(200)


def _written(source: random.Random, table: list[object]) -> bytes:
    out = io.StringIO(newline="")
    quoting = source.choice(_QUOTINGS)
    writer = csv.writer(out, delimiter=source.choice(",,,;\t"), lineterminator=source.choice(_ENDS), quoting=quoting)
    writer.writerows(table)  # type: ignore[arg-type]
    return source.choice((b"", b"", b"\xef\xbb\xbf", b"\n")) + out.getvalue().encode()


def _packed(source: random.Random) -> bytes:
    plain = _passwords(source)
    kind = source.randrange(3)
    if kind == 0:
        return gzip.compress(plain[:200]) + gzip.compress(plain[200:])
    out = io.BytesIO()
    if kind == 1:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train.csv", plain)
    else:
        pd.DataFrame({"Password": ["a", 'b"', "c\n"] * 9, "Times": [1, 2, 3] * 9}).to_parquet(out)
    return out.getvalue()


def check_rows(content: bytes) -> None:
    """Hold what is read without a word beside what Python's own strict reader reads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        path.write_bytes(content)
        sheet = reading.open_sheet(path, PASSWORDS.contract)
        blocks = list(sheet.blocks())
    _check_reasons(sheet.reasons)
    if sheet.reasons:
        return
    found = [row for block in blocks for row in block.itertuples(index=False, name=None)]
    if found != (expected := _read_strictly(content)):
        raise WrongError(f"{len(found)} rows are read, of {len(expected)}, and not a word is said")


def _read_strictly(content: bytes) -> list[tuple[str, ...]]:
    text = content.decode("utf-8-sig").lstrip(" \t\r\n")
    first = text.split("\n")[0].split("\r")[0]
    if first.strip('" \t').lower().startswith("sep="):
        text = text[len(first) :].lstrip("\r\n")
    csv.field_size_limit(1 << 30)
    for delimiter in ",;\t":
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            names = next(rows)
        except csv.Error:  # quotes that another delimiter makes right
            continue
        if {column.name for column in PASSWORDS.contract.columns} <= set(names):
            places = [names.index(column.name) for column in PASSWORDS.contract.columns]
            return [tuple(row[place] for place in places) for row in rows if any(row)]
    raise WrongError("rows are read under a header that is none")


def check_gate(content: bytes) -> None:
    """Ask the first gate of both tasks: an answer soon, in reasons that are few, short and in the catalogue."""
    for task in (PASSWORDS, HEART_DISEASE):
        _ask(content, task)


def _ask(content: bytes, task: Task) -> None:
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.csv"
        path.write_bytes(content)
        found = structure.check(path, task, Path(folder))
        if found.data is not None:
            found.data.frame()
        elif not found.reasons:
            raise WrongError("nothing is read, and no reason is given")
    _check_reasons(found.reasons)
    if (seconds := time.process_time() - began) > MOST_CPU_SECONDS:
        raise WrongError(f"takes {seconds:.0f} s of CPU")


def _check_reasons(reasons: list[Reason]) -> None:
    if len(reasons) > MOST_REASONS:
        raise WrongError(f"{len(reasons)} reasons")
    if (size := sum(len(reason.model_dump_json()) for reason in reasons)) > MOST_BYTES_OF_REASONS:
        raise WrongError(f"the reasons take {size} bytes")
    for reason in reasons:
        if reason.code not in _CODES or not reason.message or not reason.remedy:
            raise WrongError(f"a reason without code, message or remedy: {reason}")


def check_packed(content: bytes) -> None:
    """Unpack it, or say why not; nothing else comes out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.csv"
        path.write_bytes(content)
        found = unpacked(path, Path(folder))
        if isinstance(found, Reason):
            _check_reasons([found])
        elif not found.exists():
            raise WrongError("an unpacked file that is not there")


FILES = (
    Target("rows", _passwords, check_rows, WORDS),
    Target("passwords", _passwords, check_gate, WORDS),
    Target("patients", _patients, check_gate, WORDS),
    Target("packed", _packed, check_packed, (b"\0", b"\xff", b"PK\x01\x02", b"PAR1", b"\x1f\x8b\x08")),
)
