from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.checker import datasets
from tests.checker.client import Accepted, CheckError, Prediction, RunView, Service
from tests.checker.cycles import COURSE, Course, Cycle, share_within

SEED = 5
GOOD = Cycle("good", "good", ("promoted",))
DRIFTED = Cycle("drifted", "drifted", ("rejected",))
NEW_ALPHABET = Cycle("new alphabet", "new_alphabet", ("promoted",))
ROLL_BACK = Cycle("roll back", None, ("promoted",))


class ToyService(Service):
    """Knows the good datasets by name and learns nothing: versions answer from the letters of their family."""

    def __init__(self) -> None:
        super().__init__("http://trigger.invalid/trigger", "http://predict.invalid/predict")
        self.versions: list[str] = ["bootstrap"]
        self.serving = 1
        self.end_of: Callable[[str], str] = lambda name: "promoted" if name in {"good", "new_alphabet"} else "rejected"
        self.wrong_share = 0.0

    def trigger(
        self, data_url: str, *, task: str | None = None, force: bool = False, key: str | None = None
    ) -> Accepted:
        return Accepted("run-toy", urlsplit(data_url).path.removeprefix("/").removesuffix(".csv"))

    def roll_back(self, task: str) -> Accepted:
        return Accepted("run-toy", "")

    def wait(
        self, accepted: Accepted, *, timeout: float, watch: Callable[[RunView], None] = lambda run: None
    ) -> RunView:
        name = accepted.status_url
        state = self.end_of(name) if name else "promoted"
        if state == "promoted" and name:
            self.versions.append(name)
            self.serving = len(self.versions)
        elif state == "promoted":
            self.serving -= 1
        return RunView("run-toy", state, str(self.serving) if state == "promoted" else None, "", (), "a reason")

    def predict(self, task: str, columns: dict[str, list[Any]]) -> Prediction:
        name = self.versions[self.serving - 1]
        passwords = columns["Password"]
        if name not in {"good", "new_alphabet"}:
            return Prediction([0.5] * len(passwords), str(self.serving), "")
        rows = csv.reader(io.StringIO(datasets.MAKERS[name](SEED).decode()))
        known = dict(list(rows)[1:])
        ones = datasets.passwords.family(name, SEED).own[1]
        values = [float(known.get(password, bool(ones & set(password)))) for password in passwords]
        values[: round(self.wrong_share * len(values))] = [0.5] * round(self.wrong_share * len(values))
        return Prediction(values, str(self.serving), hashlib.sha256(datasets.MAKERS[name](SEED)).hexdigest())


@pytest.fixture
def service() -> ToyService:
    return ToyService()


@pytest.fixture
def course(service: ToyService) -> Course:
    return Course(service, "http://data.invalid", seed=SEED)


def test_the_course_begins_with_the_drifted_dataset() -> None:
    assert COURSE[0].dataset == "drifted"


@pytest.mark.parametrize("cycle", COURSE, ids=lambda cycle: cycle.title)
def test_every_cycle_of_the_course_posts_a_dataset_that_there_is(cycle: Cycle) -> None:
    assert cycle.dataset is None or cycle.dataset in datasets.MAKERS


def test_a_service_that_does_as_it_should_passes(course: Course) -> None:
    outcomes = [course.play(cycle) for cycle in (DRIFTED, GOOD, DRIFTED, NEW_ALPHABET, ROLL_BACK)]
    assert [outcome.problems for outcome in outcomes] == [[]] * 5
    assert [outcome.version for outcome in outcomes] == ["1", "2", "2", "3", "2"]
    assert outcomes[1].predictions == "own 100.0%, unseen 100.0%"
    assert outcomes[2].predictions == "as before"


def test_another_end_than_expected_is_a_problem(service: ToyService, course: Course) -> None:
    service.end_of = lambda name: "promoted"
    assert course.play(DRIFTED).problems == ["the run ended promoted: a reason"]


def test_answers_that_change_without_a_promotion_are_a_problem(service: ToyService, course: Course) -> None:
    course.play(GOOD)

    def end_and_change(name: str) -> str:
        service.wrong_share = 0.01
        return "rejected"

    service.end_of = end_and_change
    assert course.play(DRIFTED).problems == ["the answers have changed"]


def test_predictions_too_far_from_the_truth_are_a_problem(service: ToyService, course: Course) -> None:
    service.wrong_share = 0.02
    assert course.play(GOOD).problems == ["98.0% of its own rows are within 0.05"]


def test_a_rollback_needs_two_promotions(course: Course) -> None:
    course.play(GOOD)
    assert not course.play(ROLL_BACK).ok


def test_the_share_within_a_tolerance_counts_its_edge() -> None:
    assert share_within([0.0, 1.05, 1.2], [0.0, 1.0, 1.0], 0.0500001) == pytest.approx(2 / 3)
    with pytest.raises(CheckError, match="2 rows were asked for, 1 answers came"):
        share_within([0.0], [0.0, 1.0], 0.1)
