"""Real references and a real version in service, made once; conftest.py offers them as fixtures."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from regraft_inference.bundle import Bundle, BundleInfo, write_bundle
from regraft_pipeline import gates
from regraft_pipeline.gates import Judgement, Profile
from regraft_pipeline.tasks import Task, heart_disease, passwords

type Write = Callable[[pd.DataFrame | str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a CSV and gives its path."""

    def to_file(content: pd.DataFrame | str | bytes) -> Path:
        path = tmp_path / "data.csv"
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


def judgement_of(task: Task, frame: pd.DataFrame, folder: Path) -> Judgement:
    """Judge a frame without reference or version in service."""
    path = folder / "data.csv"
    frame.to_csv(path, index=False)
    return gates.judge(path, task, reference=None, incumbent=None)


def bundle_of(task: Task, judgement: Judgement, folder: Path, frame: pd.DataFrame | None = None) -> Bundle:
    """Train on what was judged, or on another frame, and return the bundle as a server loads it."""
    frame = judgement.frame if frame is None else frame
    assert frame is not None
    assert judgement.profile is not None
    columns, target = task.columns_of(frame), task.target_of(frame)
    estimator = task.estimator().fit(columns, target)
    write_bundle(
        folder,
        contract=task.contract,
        estimator=estimator,
        info=BundleInfo(
            task=task.name,
            run_id="run-incumbent",
            data_sha256=judgement.profile.data_sha256,
            estimator=estimator.format,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            metrics=judgement.verdict.metrics,
        ),
        golden=task.columns_of(frame.head(20)),
        profile=judgement.profile,
    )
    return Bundle.load(folder)


@pytest.fixture(scope="session")
def passwords_judgement(tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judgement_of(passwords.TASK, passwords.bootstrap(), tmp_path_factory.mktemp("passwords"))


@pytest.fixture(scope="session")
def reference(passwords_judgement: Judgement) -> Profile:
    """Return the reference of the passwords task."""
    assert passwords_judgement.profile is not None
    return passwords_judgement.profile


@pytest.fixture(scope="session")
def incumbent(passwords_judgement: Judgement, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the first version of the passwords task."""
    return bundle_of(passwords.TASK, passwords_judgement, tmp_path_factory.mktemp("bundle") / "passwords")


@pytest.fixture(scope="session")
def heart_judgement(tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judgement_of(heart_disease.TASK, heart_disease.bootstrap(), tmp_path_factory.mktemp("heart"))


@pytest.fixture(scope="session")
def heart_reference(heart_judgement: Judgement) -> Profile:
    """Return the reference of the heart disease task."""
    assert heart_judgement.profile is not None
    return heart_judgement.profile


@pytest.fixture(scope="session")
def heart_incumbent(heart_judgement: Judgement, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the first version of the heart disease task."""
    return bundle_of(heart_disease.TASK, heart_judgement, tmp_path_factory.mktemp("bundle") / "heart")
