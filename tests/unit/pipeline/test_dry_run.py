"""A dry run says what a run would say, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from regraft_core import layout
from regraft_core.runs import now
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, put_model
from regraft_pipeline import api
from regraft_pipeline.dry_run import dry_run
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.tasks import load_task
from tests.checker import datasets


@pytest.fixture
def settings(tmp_path: Path) -> PipelineSettings:
    return PipelineSettings(store_url=(tmp_path / "bucket").as_uri(), mlflow_tracking_uri="http://127.0.0.1:9")


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(datasets.MAKERS["good"](1))
    return path


def serve(tmp_path: Path, uri: str) -> None:
    serving = Serving(task="passwords", version="7", run_id="run-1", uri=uri, since=now())
    put_model(FileStore(tmp_path / "bucket"), layout.serving("passwords"), serving)


def test_without_a_version_in_service_the_gates_alone_decide(csv: Path, settings: PipelineSettings) -> None:
    verdict = dry_run(csv, load_task("passwords"), settings)
    assert verdict.accepted
    assert verdict.incumbent_metrics == {}


def test_the_version_in_service_is_asked_and_nothing_is_written(
    tmp_path: Path, csv: Path, settings: PipelineSettings
) -> None:
    api.train(pd.read_csv(csv, keep_default_na=False), "passwords", tmp_path / "model")
    serve(tmp_path, (tmp_path / "model").as_uri())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    verdict = dry_run(csv, load_task("passwords"), settings)
    assert verdict.accepted
    assert verdict.incumbent_metrics["skill"] > 0.9
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_version_that_cannot_be_read_keeps_nobody_out(tmp_path: Path, csv: Path, settings: PipelineSettings) -> None:
    serve(tmp_path, (tmp_path / "gone").as_uri())
    assert dry_run(csv, load_task("passwords"), settings).accepted
