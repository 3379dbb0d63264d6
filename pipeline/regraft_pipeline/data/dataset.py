"""Datasets that have passed the structure gate: on disk as Parquet, in random order, read in batches."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regraft_core.contract import Column, Contract
from regraft_inference.columns import dtype_of
from regraft_inference.estimators import Columns, TrainingBatches
from regraft_pipeline.tasks import Task

BATCH_ROWS = 50_000
"""Rows that are in memory as Python objects at once."""

PART_BYTES = 8 << 20
"""About how much of the CSV is shuffled at once, bytes."""

LINE, PLACE = "\0line", "\0place"
"""Names of columns, which no dataset can have: on which line a row begins, and as which it was taken."""


class Dataset:
    """The rows that may be trained on: typed, each input once, in random order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        metadata = pq.read_metadata(path)
        self._rows: int = metadata.num_rows
        self._columns = [name for name in metadata.schema.names if name != LINE]

    def __len__(self) -> int:
        return self._rows

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pd.DataFrame]:
        """Yield all rows, so many at a time; every call yields the same."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(rows, columns=self._columns, use_threads=False):
                yield _frame(pa.Table.from_batches([batch]))

    def sample(self, rows: int) -> pd.DataFrame:
        """Return at most so many rows, drawn at random, in the order in which they stand in the CSV.

        They are indexed by the lines on which they begin there.
        """
        with pq.ParquetFile(self.path) as file:
            tables = [file.schema_arrow.empty_table()]
            for batch in file.iter_batches(max(rows, 1), use_threads=False):
                tables.append(pa.Table.from_batches([batch]).slice(0, rows - sum(map(len, tables))))
                if sum(map(len, tables)) == rows:
                    break
        table = pa.concat_tables(tables).sort_by(LINE)
        return _frame(table.select(self._columns)).set_index(pd.Index(table.column(LINE).to_numpy(), name="line"))

    def take(self, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Return the rows at these places, counted from 0 and ascending."""
        found, first = [], 0
        for frame in self.batches():
            found.append(frame.iloc[rows[(rows >= first) & (rows < first + len(frame))] - first])
            first += len(frame)
        return pd.concat(found, ignore_index=True)

    def frame(self) -> pd.DataFrame:
        """Return all rows at once."""
        return _frame(pq.read_table(self.path, columns=self._columns))

    def training_batches(self, task: Task) -> TrainingBatches:
        """Return the batches as streaming estimators take them."""

        def batches() -> Iterator[tuple[Columns, NDArray[Any]]]:
            for frame in self.batches():
                yield task.columns_of(frame), task.target_of(frame)

        return batches


class Shuffle:
    """Takes the rows of a dataset and writes them in random order, in bounded memory.

    Every row goes to one of the parts by chance, and each part is shuffled by itself when it is written. The parts are
    files, unless there is only one.
    """

    def __init__(self, folder: Path, *, parts: int, seed: int) -> None:
        self._folder = folder
        self._parts = parts
        self._rng = np.random.default_rng(seed)
        self._tables: list[pa.Table] = []
        self._writers: list[pa.ipc.RecordBatchFileWriter] = []
        self._count = 0

    @classmethod
    def of(cls, csv: Path, folder: Path, *, seed: int) -> Self:
        """Return what shuffles the rows of a CSV; the same file and seed give the same order."""
        return cls(folder, parts=csv.stat().st_size // PART_BYTES + 1, seed=seed)

    def add(self, frame: pd.DataFrame) -> None:
        """Take some rows, indexed by line."""
        places = np.arange(self._count, self._count + len(frame))
        self._count += len(frame)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        table = table.append_column(LINE, pa.array(frame.index.to_numpy(dtype=np.int64)))
        table = table.append_column(PLACE, pa.array(places))
        if self._parts == 1:
            self._tables.append(table)
            return
        if not self._writers:
            self._writers = [pa.ipc.new_file(self._path(part), table.schema) for part in range(self._parts)]
        part_of = self._rng.integers(self._parts, size=len(table))
        table = table.take(pa.array(np.argsort(part_of, kind="stable")))
        ends = np.cumsum(np.bincount(part_of, minlength=self._parts)).tolist()
        for writer, first, end in zip(self._writers, [0, *ends], ends, strict=False):
            writer.write_table(table.slice(first, end - first))

    def write(self, path: Path, contract: Contract, *, keep: NDArray[np.bool_]) -> Dataset:
        """Write the rows that are to be kept; ``keep`` has a value for each, in the order in which they were taken."""
        columns = [(column.name, arrow_type(column)) for column in contract.columns]
        schema = pa.schema([*columns, (LINE, pa.int64())])
        with pq.ParquetWriter(path, schema) as writer:
            for part in self._shuffled_parts():
                kept = part.filter(pa.array(keep[part.column(PLACE).to_numpy()]))
                writer.write_table(kept.select(schema.names).cast(schema))
        return Dataset(path)

    def _shuffled_parts(self) -> Iterator[pa.Table]:
        if self._tables:
            yield self._shuffled(pa.concat_tables(self._tables))
        for part, writer in enumerate(self._writers):
            writer.close()
            with pa.ipc.open_file(self._path(part)) as file:
                yield self._shuffled(file.read_all())
            Path(self._path(part)).unlink()

    def _shuffled(self, table: pa.Table) -> pa.Table:
        return table.take(pa.array(self._rng.permutation(len(table))))

    def _path(self, part: int) -> str:
        return str(self._folder / f"part-{part}.arrow")


class TemporaryFolder:
    """A folder that is gone when nobody holds this object any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="regraft-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def arrow_type(column: Column) -> pa.DataType:
    """Return how a typed column is stored."""
    dtype = dtype_of(column)
    return pa.string() if dtype is None else pa.from_numpy_dtype(dtype)


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
    return frame
