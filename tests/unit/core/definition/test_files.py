"""Task files that are looked at again and again."""

import os
from pathlib import Path
from time import process_time

from regraft_core.definition.files import task_file

COLUMNS = 300
HEAD = "apiVersion: regraft.dev/v1\nkind: Task\nname: wide\ntarget: y\nproblem: regression\ncolumns:\n"


def write(path: Path, *, unit: str) -> None:
    names = ["y", *(f"sensor {number}" for number in range(COLUMNS))]
    path.write_text(HEAD + "".join(f"  - {{name: {name}, type: number, unit: {unit}}}\n" for name in names))


def test_a_file_is_read_again_only_where_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "wide" / "task.yaml"
    path.parent.mkdir()
    write(path, unit="cm")
    reference = path.with_name("reference.csv")
    reference.write_text("")
    before = path.stat()
    began = process_time()
    first = task_file(path)
    read = process_time()
    again = [task_file(path) for _ in range(10)]
    assert process_time() - read < (read - began) / 2
    assert all(one is first for one in again)
    write(path, unit="mm")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # clocks of file systems may be coarse
    changed = task_file(path).definition
    assert first.definition is not None
    assert changed is not None
    assert (first.definition.columns[1].unit, changed.columns[1].unit) == ("cm", "mm")
    reference.unlink()
    error = task_file(path).error
    assert error is not None
    assert f"{path}, line 1: the reference reference.csv is not there" in error.message
    path.write_text("name: [")
    assert task_file(path).definition is None
