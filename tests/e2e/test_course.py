from __future__ import annotations

import secrets

import pytest

from tests.checker.cycles import COURSE, Course, Cycle
from tests.e2e.conftest import DATASETS_URL, RUN_SECONDS, Installation


@pytest.fixture(scope="module")
def course(service: Installation) -> Course:
    """Datasets that nobody has posted yet, for what serves already is unchanged: so the course can be played again."""
    return Course(service, DATASETS_URL, seed=secrets.randbelow(1_000_000), timeout=RUN_SECONDS)


@pytest.mark.parametrize("cycle", COURSE, ids=lambda cycle: cycle.title)
def test_the_course_of_the_checker(course: Course, cycle: Cycle) -> None:
    outcome = course.play(cycle)
    assert outcome.problems == []
