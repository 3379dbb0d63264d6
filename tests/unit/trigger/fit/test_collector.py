"""Predictors that tell counts over real HTTP, a trigger service that collects them, and a bucket that keeps them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from regraft_core import layout
from regraft_core.fit.counts import Counted, Counts, Hour, Known, Refused, Told
from regraft_core.fit.history import DAY, HOUR
from regraft_core.profile import Levels, Profile
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_trigger.fit import collector
from regraft_trigger.fit.ledger import KEPT_DAYS, TaskLedger
from tests.unit.trigger.serving import Running, running

SEX = Levels(levels=("f", "m"), counts=(500, 500, 0), shares=(0.5, 0.5, 0.0))


def known(task: str = "passwords", version: str = "1") -> Known:
    profile = Profile(
        task=task, rows=1000, data_sha256="0" * 64, target=SEX, inputs={"sex": {"values": SEX}}, predictions=SEX
    )
    return Known(task=task, version=version, data_sha256="0" * 64, profile=profile)


def counts(women: int, men: int, *, refused: int = 0) -> Counts:
    of = [Refused(column="sex", code="wrong_type", requests=refused)] if refused else []
    return Counts(
        rows=women + men,
        requests=women + men + refused,
        columns={"sex": {"values": [women, men, 0]}},
        predictions=[women, men, 0],
        refused=of,
    )


class Predictor:
    """A process that tells what it has counted, as the predictor's port does."""

    def __init__(self) -> None:
        self.instance = uuid4().hex
        self.tasks: dict[str, list[Any]] = {}
        self.raw: bytes | None = None
        self.asked = 0

    def count(self, version: str, found: Counts, task: str = "passwords") -> None:
        told = [each for each in self.tasks.get(task, []) if each["known"]["version"] != version]
        counted = Counted(known=known(task, version), counts=found).model_dump(mode="json")
        self.tasks[task] = [*told, counted]

    def body(self) -> bytes:
        self.asked += 1
        told = Told(instance=self.instance, started_at=datetime.now(UTC), tasks=self.tasks)
        return self.raw or told.model_dump_json().encode()

    @contextmanager
    def running(self) -> Iterator[str]:
        predictor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(predictor.body())

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture
def pods() -> Iterator[tuple[list[Predictor], list[str]]]:
    found = [Predictor(), Predictor()]
    with ExitStack() as stack:
        yield found, [stack.enter_context(each.running()) for each in found]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "FRESH_SECONDS", 0.0)


def serve_version(folder: Path, version: str, task: str = "passwords") -> None:
    serving = Serving(task=task, version=version, run_id="run-1", uri="file:///b", since=datetime.now(UTC))
    put_model(FileStore(folder / "bucket"), layout.serving(task), serving)


def fit(service: Running, task: str = "passwords", window: str = "day") -> dict[str, Any]:
    answer = service.client.get(f"/tasks/{task}/fit", params={"window": window})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_counts_of_all_pods_add_up_and_outlive_restarts_of_all(
    tmp_path: Path, pods: tuple[list[Predictor], list[str]]
) -> None:
    (one, other), urls = pods
    serve_version(tmp_path, "1")
    one.count("1", counts(100, 50, refused=3))
    other.count("1", counts(30, 20))
    with running(tmp_path, fit_urls=urls) as service:
        found = fit(service)
        assert found["rows"] == 200
        assert found["state"] == "drifting"
        assert found["refused"] == [{"column": "sex", "code": "wrong_type", "share": round(3 / 203, 6)}]
        one.count("1", counts(150, 100, refused=3))
        assert fit(service)["rows"] == 300
        assert fit(service)["rows"] == 300  # asked again, counted once
        one.instance = uuid4().hex  # the process has begun anew, at 0
        one.count("1", counts(10, 10))
        assert fit(service)["rows"] == 320
    with running(tmp_path, fit_urls=urls[1:]) as service:  # this service, too; and one pod is no more
        assert fit(service)["rows"] == 320
        assert fit(service, window="hour")["rows"] == 320
        metrics = service.client.get("/metrics").text
    assert 'regraft_fit_rows{task="passwords",window="day"} 320.0' in metrics
    assert 'regraft_fit_state{state="fits",task="passwords",window="day"} 1.0' in metrics


def test_two_replicas_that_share_a_bucket_count_nothing_twice(
    tmp_path: Path, pods: tuple[list[Predictor], list[str]]
) -> None:
    (one, other), urls = pods
    serve_version(tmp_path, "1")
    one.count("1", counts(100, 100))
    other.count("1", counts(100, 100))
    with running(tmp_path, fit_urls=urls) as first, running(tmp_path, fit_urls=urls) as second:
        assert fit(first)["rows"] == fit(second)["rows"] == 400
    with running(tmp_path) as third:
        assert fit(third)["rows"] == 400


def test_what_is_said_is_said_of_the_version_that_serves(
    tmp_path: Path, pods: tuple[list[Predictor], list[str]]
) -> None:
    (one, _), urls = pods
    serve_version(tmp_path, "1")
    one.count("1", counts(290, 10))
    with running(tmp_path, fit_urls=urls) as service:
        unfit = fit(service)
        assert unfit["state"] == "unfit"
        assert fit(service)["since"] == unfit["since"]
        one.count("2", counts(10, 10))
        serve_version(tmp_path, "2")
        assert (fit(service)["state"], fit(service)["rows"]) == ("unknown", 20)
        one.count("2", counts(150, 150))
        fits = fit(service)
        assert fits["state"] == "fits"
        assert fits["since"] > unfit["since"]
    with running(tmp_path, fit_urls=urls) as service:
        assert fit(service)["since"] == fits["since"]


@pytest.mark.parametrize("broken", ["bins", "task", "words", "negative"])
def test_broken_counts_cost_their_task_only(
    tmp_path: Path, pods: tuple[list[Predictor], list[str]], broken: str
) -> None:
    (one, other), urls = pods
    for task in ("passwords", "heart-disease"):
        serve_version(tmp_path, "1", task)
        one.count("1", counts(150, 150), task)
        other.count("1", counts(100, 100), task)
    told = one.tasks["passwords"][0]
    if broken == "bins":
        told["counts"]["predictions"] = [1]
    elif broken == "task":
        told["known"]["task"] = "heart-disease"
    elif broken == "words":
        one.tasks["passwords"] = ["nonsense"]
    else:
        told["counts"]["rows"] = -5
    with running(tmp_path, fit_urls=urls) as service:
        assert fit(service)["rows"] == 200
        assert fit(service, "heart-disease")["rows"] == 500


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[1]", b'{"tasks": 5}'])
def test_a_predictor_that_tells_nonsense_costs_its_own_counts_only(
    tmp_path: Path, pods: tuple[list[Predictor], list[str]], raw: bytes
) -> None:
    (one, other), urls = pods
    serve_version(tmp_path, "1")
    one.raw = raw or b" "
    other.count("1", counts(100, 100))
    with running(tmp_path, fit_urls=[*urls, "http://127.0.0.1:9"]) as service:
        assert fit(service)["rows"] == 200


def test_an_object_that_is_damaged_costs_its_hour_only(tmp_path: Path, pods: tuple[list[Predictor], list[str]]) -> None:
    (one, other), urls = pods
    serve_version(tmp_path, "1")
    for pod in (one, other):
        pod.count("1", counts(100, 100))
    with running(tmp_path, fit_urls=urls) as service:
        assert fit(service)["rows"] == 400
    objects = FileStore(tmp_path / "bucket")
    objects.put(next(iter(objects.keys(layout.fit_hours("passwords")))), b"{")
    with running(tmp_path) as service:
        assert fit(service)["rows"] == 200


def test_nothing_serves_nothing_is_known(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        found = fit(service)
        assert (found["state"], found["rows"], found["columns"]) == ("unknown", 0, [])
        unknown = service.client.get("/tasks/nothing/fit").json()
        assert (unknown["code"], "there are: passwords" in unknown["detail"]) == ("task_unknown", True)
        wrong = service.client.get("/tasks/passwords/fit", params={"window": "year"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "parameter_invalid")


def test_days_go_by(tmp_path: Path) -> None:
    objects = FileStore(tmp_path)
    ledger, now = TaskLedger(objects, "passwords"), time.time()
    first = now - (KEPT_DAYS + 2) * DAY
    began = datetime.fromtimestamp(first, UTC)
    for hour in range((KEPT_DAYS + 2) * 24 + 1):
        asked = [Counted(known=known(), counts=counts(hour * 10, hour * 10))]
        ledger.take(first + hour * HOUR, "a" * 32, began, asked)
    assert ledger.fit("1", "hour", now).rows == 20
    assert ledger.fit("1", "day", now).rows == 480
    ledger.prune(now)
    assert len(list(objects.keys(layout.fit_hours("passwords")))) == KEPT_DAYS * 24 + 1
    again = TaskLedger(objects, "passwords")
    again.read(now)
    assert again.fit("1", "day", now).rows == 480


def test_only_counts_are_kept(tmp_path: Path, pods: tuple[list[Predictor], list[str]]) -> None:
    (one, _), urls = pods
    serve_version(tmp_path, "1")
    one.count("1", counts(1, 2, refused=1))
    with running(tmp_path, fit_urls=urls) as service:
        fit(service)
    objects = FileStore(tmp_path / "bucket")
    (key,) = objects.keys(layout.fit_hours("passwords"))
    hour = get_model(objects, key, Hour)
    assert hour is not None
    assert hour.versions == {"1": counts(1, 2, refused=1)}
    assert json.loads(objects.get(key) or b"").keys() == {"format", "at", "started_at", "versions"}


def test_the_page_says_it_in_a_word_and_shows_both_distributions(
    tmp_path: Path, pods: tuple[list[Predictor], list[str]]
) -> None:
    (one, _), urls = pods
    serve_version(tmp_path, "1")
    one.count("1", counts(290, 10, refused=2))
    with running(tmp_path, fit_urls=urls) as service:
        fit(service)
        page = service.client.get("/", headers={"Accept": "text/html"}).text
    assert ">Unfit</button>" in page
    assert "300 rows in the last day" in page
    assert '<th scope="row">sex</th>' in page
    assert '<th scope="row">The answers</th>' in page
    assert "refused: wrong_type in sex" in page
    assert page.count('class="asked"') == 4
