"""The predictor counts as the profile of a dataset does: the same rows give the same counts."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError, TooLargeError, UnavailableError
from regraft_core.fit.counts import Counted, Counts, Known, Told
from regraft_core.profile import CONFIDENCE_LOG_ODDS, Levels, Profile
from regraft_inference.columns import typed_values
from regraft_inference.fit import counter as counting
from regraft_inference.fit import waiting
from regraft_inference.fit.aspects import ColumnCounts, SurenessCounts
from regraft_inference.fit.counter import COUNTERS, MOST_VERSIONS, MOST_WAITING, Counters, VersionCounter
from regraft_inference.fit.port import serve_counts
from regraft_inference.model import TaskRepository
from regraft_inference.values import reader_of
from regraft_pipeline.data.profile import confidence_of, count, predictions_of, profile_of, tallies_of
from regraft_pipeline.tasks.task import Task
from tests import plain

ROWS = 400
COLUMNS = (
    Column(name="price", type="number", nullable=True),
    Column(name="rooms", type="integer"),
    Column(name="size", type="integer", nullable=True),
    Column(name="kind", type="string", categories=("flat", "house", "hut"), nullable=True),
    Column(name="sold", type="boolean"),
    Column(name="lift", type="boolean", nullable=True),
    Column(name="day", type="date"),
    Column(name="moment", type="datetime", nullable=True),
    Column(name="street", type="string"),
    Column(name="notes", type="text", nullable=True),
)
CONTRACT = Contract(task="houses", features=COLUMNS, target=Column(name="worth", type="number"))


def rows(seed: int, rows: int = ROWS) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)

    def some(values: list[Any]) -> list[Any]:
        return [None if gap else value for value, gap in zip(values, rng.random(rows) < 0.1, strict=True)]

    return {
        "price": some(rng.gamma(2.0, 1000.0, rows).round(2).tolist()),
        "rooms": rng.integers(1, 8 + seed, rows).tolist(),
        "size": some(rng.integers(10, 500, rows).tolist()),
        "kind": some(rng.choice(["flat", "house", "hut"][: 2 + seed], rows).tolist()),
        "sold": (rng.random(rows) < 0.3).tolist(),
        "lift": some((rng.random(rows) < 0.3).tolist()),
        "day": [f"2024-{1 + seed + n % 8:02d}-{1 + n % 28:02d}" for n in range(rows)],
        "moment": some([f"2024-03-{1 + n % 28:02d}T{n % 24:02d}:30:00" for n in range(rows)]),
        "street": [f"{'Höhe' if n % 3 else 'road'} {n % (7 + seed)}" for n in range(rows)],
        "notes": some(["ok 😀" * (n % 5 + 1) for n in range(rows)]),
    }


def frame(columns: dict[str, list[Any]], answers: list[float]) -> pd.DataFrame:
    typed = {column.name: typed_values(column, columns[column.name]) for column in COLUMNS}
    return pd.DataFrame(typed | {"worth": answers})


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(
        name="houses",
        contract=CONTRACT,
        kind="regression",
        estimator=lambda: None,  # type: ignore[arg-type, return-value]  # nothing is trained
        bootstrap=pd.DataFrame,
        registered_model="houses",
    )


@pytest.fixture(scope="module")
def profile(task: Task) -> Profile:
    answers = np.random.default_rng(0).normal(0, 1, ROWS)
    return profile_of(frame(rows(0), answers.tolist()), task, data_sha256="0" * 64, predicted=answers)


def counter(profile: Profile | None) -> VersionCounter:
    return VersionCounter(Known(task="houses", version="1", data_sha256="0" * 64, profile=profile), CONTRACT)


def typed(columns: dict[str, list[Any]], first: int, last: int) -> dict[str, Any]:
    return {column.name: typed_values(column, columns[column.name][first:last]) for column in COLUMNS}


@pytest.mark.parametrize("step", [1, 7, ROWS])
def test_requests_are_counted_as_a_dataset_is(profile: Profile, task: Task, step: int) -> None:
    columns, answers = rows(1), np.random.default_rng(1).normal(1, 2, ROWS)
    asked = counter(profile)
    for first in range(0, ROWS, step):
        asked.saw(typed(columns, first, first + step), answers[first : first + step])
    tallies = tallies_of([frame(columns, answers.tolist())], task)
    expected = {
        name: {what: count(known, tallies[name][what]).tolist() for what, known in aspects.items()}
        for name, aspects in profile.inputs.items()
    }
    counts = asked.counts()
    assert counts.columns == expected
    assert counts.rows == ROWS == sum(counts.predictions)
    assert {what for aspects in expected.values() for what in aspects} == {
        "values",
        "missing",
        "length",
        "characters",
        "weekday",
    }
    assert asked.known.fits(counts)


def test_the_reference_itself_is_counted_as_the_profile_says(profile: Profile) -> None:
    asked = counter(profile)
    asked.saw(typed(rows(0), 0, ROWS), np.random.default_rng(0).normal(0, 1, ROWS))
    counts = asked.counts()
    assert {(name, what): tuple(found) for name, of in counts.columns.items() for what, found in of.items()} == {
        (name, what): known.counts for name, of in profile.inputs.items() for what, known in of.items()
    }
    assert profile.predictions is not None
    assert tuple(counts.predictions) == profile.predictions.counts


@pytest.mark.parametrize(
    "answers",
    [np.array([True, False, True]), np.array(["a", "b", "a"]), np.array([1, 2, 1]), np.array([0.1, 0.2, 0.1])],
    ids=["booleans", "labels", "integers", "numbers"],
)
def test_answers_of_every_type_are_counted(profile: Profile, answers: Any) -> None:
    known = profile.model_copy(update={"predictions": predictions_of(answers), "inputs": {}})
    asked = counter(known)
    asked.saw({"rooms": np.array([1, 2, 3])}, answers)
    assert sorted(asked.counts().predictions) == [*([0] if answers.dtype.kind != "f" else []), 1, 2]


@pytest.mark.parametrize("longest", [255, 256 + 6, 100_000])
def test_words_of_any_length_are_counted(profile: Profile, longest: int) -> None:
    asked = counter(profile)
    asked.saw(typed(rows(0), 0, 3) | {"street": ["x" * longest, "road 1", ""]}, np.zeros(3))
    found = asked.counts().columns["street"]
    assert profile.inputs["street"]["length"].levels == (6.0,)  # type: ignore[union-attr]  # words: "road 1"
    assert (found["length"], sum(found["characters"])) == ([1, 2], longest + 6)


@pytest.mark.parametrize("odd", ["\x00", "a\x00b", "\x00\x00é"])
def test_words_that_have_what_stands_between_words_are_counted(profile: Profile, odd: str) -> None:
    asked = counter(profile)
    for words in (["road 1", ""], ["road 1", odd], ["", "road 2"]):
        asked.saw(typed(rows(0), 0, 2) | {"street": words}, np.zeros(2))
    found = asked.counts().columns["street"]
    assert (found["length"], sum(found["characters"])) == ([3, 3], 18 + len(odd))


def test_long_words_do_not_wait_for_many_rows(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_CHARACTERS", 8)
    asked = counter(profile)
    for words in (["road 1", "road 2"], ["road 3"], ["road 4"]):
        asked.saw(typed(rows(0), 0, len(words)) | {"street": words}, np.zeros(len(words)))
    found = asked.counts().columns["street"]
    assert (found["length"], sum(found["characters"]), sum(found["values"])) == ([4, 0], 24, 4)


@pytest.mark.parametrize("known", [("flat", "house", "hut"), ("hut", "house"), ("tent",)], ids=["all", "some", "none"])
def test_words_are_counted_alike_by_their_places_and_by_themselves(known: tuple[str, ...]) -> None:
    column = Column(name="kind", type="string", categories=("flat", "house", "hut", "tent"))
    levels = Levels(levels=known, counts=(0,) * (len(known) + 1), shares=(0.0,) * (len(known) + 1))
    words = ["hut", "flat", "hut", "house", "hut"]
    found = []
    for values in (words, reader_of(column).read(words)):
        counts = ColumnCounts(column, {"values": levels})
        strings = waiting.Strings(column, counts)
        for asked in (values, values):
            strings.wait({"kind": asked})
        strings.count()
        found.append(counts.counts["values"].tolist())
    assert found[0] == found[1]
    assert sum(found[0]) == 10


def test_log_odds_at_the_edges_are_counted_as_a_search_finds_them() -> None:
    edges = np.array(CONFIDENCE_LOG_ODDS)
    near = [np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf)]
    scores = np.concatenate([*near, [0.0, -0.0, 5e-324, -1e9, 1e9, -np.inf, np.inf, np.nan]])
    sure = SurenessCounts("second")
    sure.add(scores[:, np.newaxis])
    expected = np.bincount(np.searchsorted(edges, scores, side="left"), minlength=len(edges) + 1)
    assert sure.counts.tolist() == expected.tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_how_sure_a_classifier_was_is_counted_as_it_was_held_out(profile: Profile, classes: int) -> None:
    scores = np.random.default_rng(0).normal(0, 3, (50, 1 if classes == 2 else classes))
    odds = np.exp(scores)
    probabilities = (odds / (1 + odds))[:, 0] if classes == 2 else (odds / odds.sum(axis=1, keepdims=True)).max(axis=1)
    known = confidence_of("second" if classes == 2 else "answered", probabilities, probabilities > 0.5)
    asked = counter(profile.model_copy(update={"confidence": known, "inputs": {}}))
    for first in range(0, 50, 10):
        asked.saw({"rooms": np.arange(10)}, np.zeros(10), scores[first : first + 10])
    asked.saw({"rooms": np.arange(10)}, np.zeros(10), np.zeros((10, 3 if classes == 2 else 1)))
    assert tuple(asked.counts().confidence) == known.counts


def test_answers_that_moved_by_a_hair_stay_in_their_bins() -> None:
    answers = np.repeat([0.1, 0.5, 0.9], 50)
    known = predictions_of(answers)
    again = predictions_of(answers + np.random.default_rng(0).normal(0, 1e-3, 150))
    assert known.counts == (50, 50, 50)
    assert len(again.counts) > 3
    places = np.searchsorted(known.edges, answers + 1e-3)  # type: ignore[union-attr]  # bins
    assert np.bincount(places).tolist() == [50, 50, 50]


def test_threads_lose_nothing_and_what_waits_is_bounded(profile: Profile) -> None:
    asked = counter(profile)
    part, answers = typed(rows(1), 0, 10), np.zeros(10)

    def ask() -> None:
        for _ in range(300):
            asked.saw(part, answers)
            with asked._lock:
                assert sum(map(len, asked._answers_waiting)) <= MOST_WAITING

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked.counts().rows == 12_000


def test_the_fit_can_be_asked_while_threads_count(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = counter(profile)
    part, answers, failed = typed(rows(1), 0, 10), np.zeros(10), []
    moments = itertools.count(1_700_000_000, 600)
    monkeypatch.setattr(counting, "MINUTE", -1.0)  # each request notes what has been counted
    monkeypatch.setattr(time, "time", lambda: float(next(moments)))  # and ten minutes later, so that the oldest go

    def many(call: Callable[[], object]) -> None:
        for _ in range(100):
            try:
                call()
            except Exception as error:
                failed.append(error)

    calls = [partial(asked.saw, part, answers)] * 3 + [partial(asked.fit, "day")]
    threads = [threading.Thread(target=many, args=(call,)) for call in calls]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failed == []


@pytest.mark.parametrize(("rows_each", "values", "most"), [(1, 1 << 20, 9), (10, 1 << 20, 3), (1, 100, 2)])
def test_small_requests_and_wide_rows_wait_in_smaller_numbers(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, rows_each: int, values: int, most: int
) -> None:
    monkeypatch.setattr(counting, "MOST_WAITING", 40)
    monkeypatch.setattr(counting, "MOST_VALUES", values)
    asked = counter(profile)
    part, waits = typed(rows(1), 0, rows_each), []
    for _ in range(20):
        asked.saw(part, np.zeros(rows_each))
        waits.append(len(asked._answers_waiting))
    assert max(waits) == most
    assert asked.counts().rows == 20 * rows_each


def test_refused_requests_are_counted_by_column_and_rule_and_made_up_names_are_not_kept(profile: Profile) -> None:
    asked = counter(profile)
    asked.answered = 5
    asked.refused(ContractError("no", code=Code.VALUE_TOO_LARGE, column="price", row=3))
    asked.refused(ContractError("no", code=Code.COLUMN_UNKNOWN, column="my secret"))
    asked.refused(TooLargeError("no"))
    asked.refused(UnavailableError("not the client's fault"))
    counts = asked.counts()
    assert [(each.column, each.code, each.requests) for each in counts.refused] == [
        (None, "column_unknown", 1),
        (None, "request_too_large", 1),
        ("price", "value_too_large", 1),
    ]
    assert counts.requests == 8


def test_a_version_that_comes_back_goes_on_with_its_counts() -> None:
    counters = Counters()
    first = counters.counter(Known(task="houses", version="1", data_sha256="0" * 64), CONTRACT)
    first.answered = 3
    for number in range(2, MOST_VERSIONS + 1):
        counters.counter(Known(task="houses", version=str(number), data_sha256="0" * 64), CONTRACT)
    assert counters.counter(first.known, CONTRACT) is first
    counters.counter(Known(task="houses", version="new", data_sha256="0" * 64), CONTRACT)
    assert [each.known.version for each in counters.all()][-2:] == ["1", "new"]
    assert len(counters.all()) == MOST_VERSIONS


def test_the_port_tells_counts_and_nothing_else(profile: Profile, tmp_path: Path) -> None:
    known = Known(task="port-houses", version="1", data_sha256="0" * 64, profile=profile)
    asked = COUNTERS.counter(known, CONTRACT)
    asked.saw(typed(rows(1), 0, 50), np.zeros(50))
    server = serve_counts("127.0.0.1", 0, TaskRepository().answers)
    assert server is not None
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        told = Told.model_validate_json(plain.get(f"{url}/counts").content)
        assert plain.get(f"{url}/metrics").status_code == 404
        assert serve_counts("127.0.0.1", server.server_port, TaskRepository().answers) is None
    finally:
        server.shutdown()
        server.server_close()
    assert told.instance == COUNTERS.instance
    (found,) = (Counted.model_validate(each) for each in told.tasks["port-houses"])
    assert found.counts == asked.counts()
    assert found.known == known


def test_without_a_profile_only_rows_and_requests_are_counted() -> None:
    asked = counter(None)
    asked.saw(typed(rows(1), 0, 5), np.zeros(5))
    assert asked.counts() == Counts(rows=5)
    assert asked.fit("hour").state == "unknown"
