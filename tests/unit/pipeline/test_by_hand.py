"""What people delete while a dataset is on its way to a cluster: what serves goes on until another version is ready.

test_healing.py has the same for the embedded mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow.tracking import MlflowClient

from regraft_core.kube import Cluster
from regraft_core.runs import RunState
from tests.apiserver import ApiServer
from tests.courses.course import Course
from tests.courses.script import Plan, Script

BAD, GOOD = "B", "C"


class ByHand(Course):
    """A course of one run; between it and the version that serves, somebody changes something by hand."""

    def __init__(self, dataset: str, change: Change, folder: Path, url: str, cluster: Cluster) -> None:
        script = Script("by hand")
        script.base, script.bad, script.outages = "A", frozenset({BAD}), []
        script.plans = [Plan(script.plans[0].request.model_copy(update=TRAIN), dataset, "2", {}, None)]
        super().__init__(script, folder, url, cluster, name=uuid4().hex)
        self.client, self.model = MlflowClient(url), self.task.model_name(self._owner)
        self.gone: set[str] = set()
        """Versions whose bundle is gone."""
        self._change = change

    def _register(self) -> None:
        super()._register()
        self._change(self)

    def _is_bad(self, uri: str) -> bool:
        return uri.rstrip("/").rpartition("/")[2] in self.gone or super()._is_bad(uri)

    @property
    def alias(self) -> str | None:
        aliases: dict[str, str] = self.client.get_registered_model(self.model).aliases
        return str(aliases["prod"]) if "prod" in aliases else None

    def _look(self) -> None:
        """Look at what is set and what answers; where a version came into service, whether all agree."""
        self.placed, self.answering = self._world.placed(), self._world.answering()
        if self._ends["run-1"].state is RunState.PROMOTED:
            super()._look()


TRAIN = {"kind": "train", "data_url": "http://data/2.csv", "force": False, "to_version": None}
Change = Callable[[ByHand], None]


def delete_alias(course: ByHand) -> None:
    course.client.delete_registered_model_alias(course.model, "prod")


def delete_version(course: ByHand) -> None:
    course.client.delete_model_version(course.model, "1")


def delete_bundle(course: ByHand) -> None:
    course.gone.add("1")


def delete_all(course: ByHand) -> None:
    for change in (delete_bundle, delete_version):
        change(course)


cases = pytest.mark.parametrize(
    ("change", "named"),  # what is deleted, and what the alias names when the next version was never ready
    [
        (delete_version, None),
        pytest.param(delete_alias, "1", marks=pytest.mark.long),
        pytest.param(delete_bundle, "1", marks=pytest.mark.long),
        pytest.param(delete_all, None, marks=pytest.mark.long),
    ],
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ApiServer().running() as server:
        yield server.cluster


@cases
def test_what_serves_goes_on_where_the_next_version_is_never_ready(
    change: Change, named: str | None, cluster: Cluster, tmp_path: Path, mlflow_url: str
) -> None:
    course = ByHand(BAD, change, tmp_path, mlflow_url, cluster)
    course.play()
    run = course._ends["run-1"]
    assert run.cause is not None
    assert run.state in {RunState.ROLLED_BACK, RunState.FAILED}
    assert (course.placed.version, course.answering, course.alias) == ("1", {"1"}, named)
    assert "version 1" in run.cause.message


@cases
def test_the_next_version_that_is_ready_serves_and_all_agree(
    change: Change, named: str | None, cluster: Cluster, tmp_path: Path, mlflow_url: str
) -> None:
    course = ByHand(GOOD, change, tmp_path, mlflow_url, cluster)
    course.play()
    assert course._ends["run-1"].state is RunState.PROMOTED
