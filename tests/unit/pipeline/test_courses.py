"""Random courses of deploys that meet. ``make courses`` plays more of them, against a real API server."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.apiserver import ApiServer
from tests.courses.course import Course
from tests.courses.script import Script
from tests.proofs import some


@pytest.mark.parametrize("number", some(range(16), short=range(2)))
def test_what_was_accepted_last_serves_behind_kserve(number: int, tmp_path: Path, mlflow_url: str) -> None:
    with ApiServer().running() as server:
        Course(Script(f"small-{number}"), tmp_path, mlflow_url, server.cluster, name=uuid4().hex).play()


@pytest.mark.parametrize("number", some(range(34), short=range(3)))
def test_what_was_accepted_last_serves_embedded(number: int, tmp_path: Path, mlflow_url: str) -> None:
    Course(Script(f"local-{number}"), tmp_path, mlflow_url, None, name=uuid4().hex).play()
