from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from regraft_pipeline import gates
from regraft_pipeline.data.dataset import LINE, Dataset, Shuffle, TemporaryFolder
from regraft_pipeline.tasks import passwords

ROWS = 5000


def shuffled(folder: Path, *, parts: int, seed: int = 0) -> Dataset:
    """Shuffle numbered rows; every fifth is not kept."""
    folder.mkdir(exist_ok=True)
    shuffle = Shuffle(folder, parts=parts, seed=seed)
    for first in range(0, ROWS, 700):
        rows = range(first, min(first + 700, ROWS))
        words = pd.Series([f"word{row}" for row in rows], dtype=pd.StringDtype("pyarrow"))
        frame = pd.DataFrame({"Password": words, "Times": np.array(rows, dtype=np.float64)})
        shuffle.add(frame.set_index(pd.Index(rows) + 2))
    return shuffle.write(folder / "clean.parquet", passwords.CONTRACT, keep=np.arange(ROWS) % 5 > 0)


@pytest.mark.parametrize("parts", [1, 7])
def test_rows_come_back_once_and_in_random_order(parts: int, tmp_path: Path) -> None:
    data = shuffled(tmp_path, parts=parts)
    frame = data.frame()
    assert len(data) == len(frame) == ROWS * 4 // 5
    assert sorted(frame["Times"]) == [row for row in range(ROWS) if row % 5]
    assert (frame["Password"] == "word" + frame["Times"].astype(int).astype(str)).all()
    assert abs(frame["Times"].corr(pd.Series(np.arange(len(frame), dtype=np.float64)))) < 0.05
    assert abs(frame["Times"].head(400).mean() - ROWS / 2) < 300
    assert [path.name for path in tmp_path.iterdir()] == ["clean.parquet"]


def test_the_order_is_that_of_the_seed(tmp_path: Path) -> None:
    one, two, other = (shuffled(tmp_path / f"{i}", parts=3, seed=seed).frame() for i, seed in enumerate((1, 1, 2)))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)


def test_batches_samples_and_single_rows_are_parts_of_the_whole(tmp_path: Path) -> None:
    data = shuffled(tmp_path, parts=2)
    whole = data.frame()
    pd.testing.assert_frame_equal(pd.concat(data.batches(300), ignore_index=True), whole)
    for count in (50, 10 * ROWS):
        sample = data.sample(count)
        assert sample.index.tolist() == (sample["Times"] + 2).tolist()
        expected = whole.head(count).sort_values("Times", ignore_index=True)
        pd.testing.assert_frame_equal(sample.reset_index(drop=True), expected)
    rows = np.array([0, 299, 300, len(data) - 1])
    pd.testing.assert_frame_equal(data.take(rows), whole.iloc[rows].reset_index(drop=True))
    words = [word for columns, _ in data.training_batches(passwords.TASK)() for word in columns["Password"]]
    assert words == whole["Password"].tolist()


def test_a_dataset_may_be_empty(tmp_path: Path) -> None:
    shuffle = Shuffle(tmp_path, parts=1, seed=0)
    data = shuffle.write(tmp_path / "clean.parquet", passwords.CONTRACT, keep=np.zeros(0, dtype=bool))
    assert len(data) == 0
    assert data.sample(5).columns.tolist() == ["Password", "Times"]
    assert pq.read_schema(data.path).names == ["Password", "Times", LINE]


def test_a_temporary_folder_is_gone_with_the_judgement(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    passwords.bootstrap().to_csv(path, index=False)
    judgement = gates.judge(path, passwords.TASK, reference=None, incumbent=None)
    assert judgement.data is not None
    folder = judgement.data.path.parent
    assert folder.is_dir()
    del judgement
    gc.collect()
    assert not folder.exists()
    kept = TemporaryFolder()
    assert kept.path.is_dir()
