"""Rows are kept where a task's file says so: a share of them, whichever way they came, until they are fetched."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from regraft_core.definition import RequestSettings
from regraft_core.fit.kept import KeptRow, lines_of
from regraft_inference.bundle import Bundle
from regraft_inference.fit import keeper
from regraft_inference.fit.keeper import KEPT, Kept
from tests.unit.inference.bundles import HEART_ANSWERS, HEART_ROWS, write_heart_bundle
from tests.unit.inference.serving import serving

INSTANCE = "0" * 32
pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")


def bundle(folder: Path, share: float) -> Bundle:
    return Bundle.load(write_heart_bundle(folder, requests=RequestSettings(keep=share)))


def rows(kept: Kept, after: int = -1) -> list[KeptRow]:
    told = kept.told(INSTANCE, after)
    return [row for block in told.blocks for row in lines_of(block.lines.encode(), KeptRow)]


def columns(count: int) -> dict[str, Any]:
    ages = np.arange(count, dtype=np.int64) % 100 + 1
    return {"age": ages, "sex": ages % 2, "oldpeak": np.ones(count)}


@pytest.mark.parametrize("fast", [True, False])
def test_rows_of_every_protocol_are_kept_with_id_and_answer(tmp_path: Path, fast: bool) -> None:
    KEPT.told(INSTANCE, 10**9)
    write_heart_bundle(tmp_path / "heart-disease", version="31", requests=RequestSettings(keep=1.0))
    names = list(HEART_ROWS)
    data = [list(row) for row in zip(*HEART_ROWS.values(), strict=True)]
    tensors = [
        {"name": name, "shape": [4], "datatype": "FP64" if name == "oldpeak" else "INT64", "data": HEART_ROWS[name]}
        for name in names
    ]
    asked: list[tuple[str, Any]] = [
        ("/heart-disease/predict", HEART_ROWS),
        ("/heart-disease/predict", HEART_ROWS | {"probabilities": True}),
        ("/heart-disease/invocations", {"dataframe_split": {"columns": names, "data": data}}),
        ("/v1/models/heart-disease:predict", {"instances": data}),
        ("/v2/models/heart-disease/infer", {"inputs": tensors}),
    ]
    with (
        serving(tmp_path, fast=fast) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as ask,
    ):
        for path, body in asked:
            answer = ask.post(path, json=body)
            assert answer.status_code == 200, answer.text
            found = rows(KEPT, 10**9 if KEPT.is_empty else -1)
            assert [(row.id, row.row) for row in found] == [
                (answer.headers["regraft-request-id"], row) for row in range(4)
            ]
            assert [row.answer for row in found] == HEART_ANSWERS
            assert [row.probability for row in found] == [float(one) for one in HEART_ANSWERS]
            assert {name: [row.inputs[name] for row in found] for name in names} == HEART_ROWS
            assert {row.version for row in found} == {"31"}
            KEPT.told(INSTANCE, 10**9)
        assert ask.post("/heart-disease/predict", json={**HEART_ROWS, "age": ["x"] * 4}).status_code == 400
        assert KEPT.is_empty


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_each_row_is_kept_with_the_same_chance(tmp_path: Path, share: float) -> None:
    kept = Kept()
    keeping = kept.keeper(bundle(tmp_path, share))
    assert keeping is not None
    for n in range(2000):
        count = 1 + n % 9
        keeping.keep(b"r-%d" % n, columns(count), np.zeros(count, dtype=np.int64))
    found, of = rows(kept), sum(1 + n % 9 for n in range(2000))
    assert len(found) == pytest.approx(of * share, abs=5 * (of * share * (1 - share)) ** 0.5)
    assert len({(row.id, row.row) for row in found}) == len(found)
    places = np.bincount([row.row for row in found], minlength=9)
    if share < 1:
        assert all(places[:2] > places[7:].max() * 0.9)  # fewer requests have many rows


def test_nothing_is_kept_where_a_file_says_nothing_of_it(tmp_path: Path) -> None:
    assert Kept().keeper(Bundle.load(write_heart_bundle(tmp_path))) is None


def test_what_has_been_fetched_goes_and_what_nobody_fetches_goes_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    keeping = kept.keeper(bundle(tmp_path, 1.0))
    assert keeping is not None
    keeping.keep(b"one", columns(3), np.zeros(3, dtype=np.int64))
    first = kept.told(INSTANCE)
    assert kept.told(INSTANCE) == first  # asked again, before it is known to be kept
    keeping.keep(b"two", columns(1), np.zeros(1, dtype=np.int64))
    assert {row.id for row in rows(kept, first.blocks[-1].number)} == {"two"}
    assert rows(kept, 10**9) == []
    assert kept.is_empty
    monkeypatch.setattr(keeper, "MOST_BYTES", 10_000)
    for n in range(20):
        keeping.keep(b"r-%d" % n, columns(10), np.zeros(10, dtype=np.int64))
        kept.told(INSTANCE)
    left = rows(kept)
    assert left[-1].id == "r-19"
    assert len(left) < 200


def test_a_request_is_answered_whatever_becomes_of_its_rows(tmp_path: Path) -> None:
    kept = Kept()
    keeping = kept.keeper(bundle(tmp_path, 1.0))
    assert keeping is not None
    keeping.keep(b"broken", {"age": ["old"]}, np.zeros(1, dtype=np.int64))
    keeping.keep(b"good", columns(1), np.zeros(1, dtype=np.int64))
    keeping.write_out()
    keeping.keep(b"good", columns(1), np.zeros(1, dtype=np.int64))
    assert [row.id for row in rows(kept)] == ["good"]


def test_a_bundle_is_held_no_longer_than_rows_of_it_wait(tmp_path: Path) -> None:
    kept = Kept()
    for number in range(3):
        own = bundle(tmp_path / str(number), 1.0)
        held, keeping = weakref.ref(own), kept.keeper(own)
        assert keeping is not None
        keeping.keep(b"r", columns(1), np.zeros(1, dtype=np.int64))
        del own, keeping
        gc.collect()
        assert held() is not None  # a row of it waits
        assert len(rows(kept)) == number + 1
        gc.collect()
        assert held() is None


def test_where_nobody_fetches_rows_the_oldest_versions_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MOST_VERSIONS", 2)
    kept, own = Kept(), bundle(tmp_path, 1.0)
    for name in (b"1", b"2", b"3"):
        keeping = kept.keeper(own)
        assert keeping is not None
        keeping.keep(name, columns(1), np.zeros(1, dtype=np.int64))
    assert [row.id for row in rows(kept)] == ["2", "3"]
    assert rows(kept, 10**9) == []
    assert kept.is_empty


def test_rows_of_however_many_tasks_are_told(tmp_path: Path) -> None:
    kept, keepers = Kept(), []
    for number in range(40):
        own = bundle(tmp_path / str(number), 1.0)
        own.info = own.info.model_copy(update={"task": f"task-{number}"})
        keeping = kept.keeper(own)
        assert keeping is not None
        keepers.append(keeping)
    for each in keepers:
        each.keep(b"r", columns(1), np.zeros(1, dtype=np.int64))
    assert {block.task for block in kept.told(INSTANCE).blocks} == {f"task-{number}" for number in range(40)}
