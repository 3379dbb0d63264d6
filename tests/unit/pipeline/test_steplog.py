from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import SourceError
from regraft_core.stores.objects import FileStore
from regraft_pipeline.steplog import LONGEST_LOG, kept_log


def lines_of(store: FileStore) -> list[str]:
    data = store.get(layout.log("run-a", "train")) or b""
    return [json.loads(line)["event"] for line in data.splitlines()]


def test_what_is_logged_during_a_step_is_kept_behind_earlier_attempts(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for attempt in ("first", "second"):
        with kept_log(store, "run-a", "train"):
            logging.getLogger("somewhere").warning(attempt)
    logging.getLogger("somewhere").warning("later")

    assert lines_of(store) == ["train begins", "first", "train ends", "train begins", "second", "train ends"]


def test_what_a_step_raises_ends_its_log(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(SourceError), kept_log(store, "run-a", "train"):
        raise SourceError("no such thing", code=Code.SOURCE_NOT_FOUND)
    with pytest.raises(ZeroDivisionError), kept_log(store, "run-a", "train"):
        _ = 1 // 0

    assert lines_of(store)[1] == "no such thing"
    assert b"Traceback" in (store.get(layout.log("run-a", "train")) or b"")


def test_a_long_log_keeps_its_end(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with kept_log(store, "run-a", "train"):
        for _ in range(20):
            logging.getLogger("somewhere").warning("x" * (LONGEST_LOG // 10))

    assert len(store.get(layout.log("run-a", "train")) or b"") <= LONGEST_LOG
    assert lines_of(store)[-1] == "train ends"


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with kept_log(FileStore(tmp_path / "file"), "run-a", "train"):
        pass
