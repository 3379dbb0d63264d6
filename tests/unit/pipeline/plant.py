"""All that steps work with, for tests: a store in a folder, a registry in a real MLflow, a real predictor."""

from __future__ import annotations

import functools
import hashlib
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from regraft_core import layout
from regraft_core.profile import Profile
from regraft_core.runs import Run, RunRequest
from regraft_core.serving import Serving
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_inference.bundle import version_json
from regraft_pipeline import reference
from regraft_pipeline.assembly import make_context
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.registry.version import Version
from regraft_pipeline.settings import WorkerSettings
from regraft_pipeline.steps import Context, DownloadResult, RegisterResult, TrainResult
from regraft_pipeline.tasks import Task, load_task
from tests import plain
from tests.unit.inference.bundles import write_passwords_bundle
from tests.waiting import PATIENCE

BEGIN = datetime(2024, 2, 29, tzinfo=UTC)


@functools.cache
def shipped(task: str) -> Profile:
    """Return the profile of the shipped dataset, which takes a second to be made."""
    return reference.shipped(load_task(task))


class Plant:
    """Steps of the task ``passwords``, whose registered model has a name of its own in the shared MLflow."""

    def __init__(self, folder: Path, *, owner: str, mlflow_url: str, predictor_url: str, models_dir: Path) -> None:
        self.folder = folder
        self.owner = owner
        self.task: Task = load_task("passwords")
        self.models_dir = models_dir
        self.predictor_url = predictor_url
        self.mlflow = MlflowClient(mlflow_url)
        self.model_name = self.task.model_name(owner)
        self.settings = WorkerSettings(
            owner=owner,
            store_url=(folder / "bucket").as_uri(),
            mlflow_tracking_uri=mlflow_url,
            allow_private_hosts=["127.0.0.1"],
            predictor_url=predictor_url,
            models_dir=str(models_dir),
            deploy_timeout=PATIENCE,
            download_attempts=1,
            database=folder / "regraft.db",
            step_attempts=2,
        )
        self.store = FileStore(folder / "bucket")

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.settings.mlflow_tracking_uri, owner=self.settings.owner)

    def request(self, number: int, **fields: Any) -> RunRequest:
        """Return the request accepted as the ``number``-th."""
        # MLflow is shared by the tests: a run of the same name would be taken for this one.
        accepted = {
            "run_id": f"run-{self.owner[:8]}{number:04d}",
            "task": self.task.name,
            "data_url": f"http://data/{number}.csv",
        }
        return RunRequest.model_validate(accepted | {"accepted_at": BEGIN + timedelta(seconds=number)} | fields)

    def run(self, number: int, **fields: Any) -> Run:
        return Run.accept(self.request(number, **fields))

    def context(self, request: RunRequest) -> Context:
        workdir = self.folder / "work" / f"{len(list(self.folder.glob('work/*')))}"
        workdir.mkdir(parents=True)
        return make_context(request, self.settings, progress=lambda share, message: None, workdir=workdir)

    def put_dataset(self, request: RunRequest, data: bytes) -> str:
        """Put a dataset where a run finds it downloaded, and return its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.store.put(layout.raw_dataset(sha256), data)
        result = DownloadResult(data_sha256=sha256, bytes=len(data), final_url="http://data/x.csv")
        put_model(self.store, layout.step_result(request.run_id, "download"), result)
        return sha256

    def put_reference(self) -> None:
        put_model(self.store, layout.reference(self.task.name), shipped(self.task.name))

    def register(self, request: RunRequest) -> Version:
        """Register a small bundle that answers with the version's number, as a run's register step would."""
        tracking = self.registry.track(self.task, request)
        tags = {"run_id": request.run_id, "data_sha256": "0" * 64}
        version = self.registry.create_version(self.task, tracking, tags=tags, description="")
        bundle = write_passwords_bundle(self.folder / "bundles" / request.run_id, version=version.number)
        (bundle / "version.json").write_text(version_json(version.number))
        Folder.at(version.uri).upload(bundle)
        result = RegisterResult(
            version=version.number, uri=version.uri, mlflow_run_id=tracking.mlflow_run_id, link="http://mlflow"
        )
        put_model(self.store, layout.step_result(request.run_id, "register"), result)
        trained = TrainResult(metrics={"skill": 0.9}, parameters={}, seconds=0.1)
        put_model(self.store, layout.step_result(request.run_id, "train"), trained)
        return version

    def prod(self) -> str | None:
        """Return the number of the version that the alias names, as MLflow's own client sees it."""
        aliases: dict[str, str] = self.mlflow.get_registered_model(self.model_name).aliases
        return str(aliases["prod"]) if "prod" in aliases else None

    def serving(self) -> Serving | None:
        return get_model(self.store, layout.serving(self.task.name), Serving)

    def answering(self) -> str | None:
        """Return the version that the predictor names."""
        answer = plain.get(f"{self.predictor_url}/{self.task.name}/schema")
        named: str | None = answer.headers.get("Regraft-Model-Version")
        return named

    def assert_serves(self, version: Version) -> None:
        """Assert that registry, record and predictor agree on what is in service."""
        serving = self.serving()
        assert serving is not None
        assert (self.prod(), serving.version, self.answering()) == (version.number,) * 3
        assert serving.uri == version.uri
