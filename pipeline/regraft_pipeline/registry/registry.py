"""The registry: which versions there are, and which of them is in service. MLflow keeps it.

The alias ``prod`` is the one truth about what serves. What it points to carries, as tags of that version, the order of
the run that put it there: both change in the same instant, when the alias moves.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from regraft_core.addresses import redacted
from regraft_core.codes import Code
from regraft_core.errors import NotFoundError, RegraftError
from regraft_core.listing import first_of
from regraft_core.profile import Profile
from regraft_core.runs import RunRequest, now
from regraft_inference.mlmodel import MLFLOW_TYPES
from regraft_pipeline.registry import notes
from regraft_pipeline.registry.mlflow import Json, MlflowApi
from regraft_pipeline.registry.version import Dataset, Tracking, Version
from regraft_pipeline.tasks import Task

PROD = "prod"
"""Alias of the version that has been proven in service."""

MAX_PARAMETER_LENGTH = 6000
"""Characters of a parameter's value that MLflow takes."""

MAX_BATCH = 100
"""Parameters that MLflow takes in one call."""

MOST_NAMED = 20
"""Most versions that an error names."""

MAX_DESCRIPTION = 5000
"""Characters of a description that MLflow's tables take."""

NOTE = "mlflow.note.content"
"""Tag that MLflow's pages show as a description, in Markdown."""

KIND = "mlflow.experimentKind"
"""Tag that tells MLflow's pages which views an experiment is for."""


class Registry:
    """Runs, models and versions in MLflow. Whatever is created is looked for first, so all may be called again."""

    def __init__(
        self, tracking_uri: str, *, owner: str, public_url: str | None = None, ca_file: Path | None = None
    ) -> None:
        self._api = MlflowApi(tracking_uri, ca_file=ca_file)
        self._owner = owner
        self._places: dict[tuple[str, str, str], str] = {}
        self._public_url = redacted(public_url or tracking_uri).rstrip("/")

    def prod(self, task: Task) -> Version | None:
        """Return the version in service, None where there is none."""
        try:
            found = self._api.get("registered-models/alias", name=self._name(task), alias=PROD)["model_version"]
        except RegraftError as error:
            # MLflow answers 404 where there is no such model, 400 where the model has no such alias.
            if error.code == Code.MLFLOW_NOT_FOUND or error.details.get("error_code") == "INVALID_PARAMETER_VALUE":
                return None
            raise
        return self._version(task, found)

    def version(self, task: Task, number: str) -> Version:
        """Return a version. Raises NotFoundError (``version_unknown``)."""
        try:
            found = self._api.get("model-versions/get", name=self._name(task), version=number)["model_version"]
        except RegraftError as error:
            # MLflow answers 400, not 404, where the number is no number.
            if error.code == Code.MLFLOW_NOT_FOUND or error.details.get("error_code") == "INVALID_PARAMETER_VALUE":
                known = first_of([version.number for version in self.versions(task)], MOST_NAMED) or "none"
                message = f"there is no version {number!r} of {task.name}; there are: {known}"
                raise NotFoundError(message, code=Code.VERSION_UNKNOWN) from error
            raise
        return self._version(task, found)

    def previous(self, task: Task, prod: Version | None) -> Version:
        """Return the version that served before ``prod``, by time; the last that served where ``prod`` is None.

        A version that a person took out of service does not count. Raises NotFoundError (``version_unknown``) where
        there is none.
        """
        before = prod.tags.get("promoted_at") if prod else None
        served = [
            (tags["promoted_at"], int(version["version"]), version)
            for version in self._api_versions(f"name='{self._name(task)}' and tags.promoted_at LIKE '2%'")
            if not (tags := _tags(version)).get("taken_out_by") and (prod is None or version["version"] != prod.number)
        ]
        served = [found for found in served if before is None or found[0] < before]
        if not served:
            than = f"before version {prod.number}" if prod else "ever"
            raise NotFoundError(
                f"no version of {task.name} was in service {than}, but for those that somebody took out; "
                "name the one that is meant",
                code=Code.VERSION_UNKNOWN,
            )
        return self._version(task, max(served, key=lambda found: found[:2])[2])

    def versions(self, task: Task) -> list[Version]:
        """Return all versions of a task, newest first, with their aliases."""
        try:
            model = self._api.get("registered-models/get", name=self._name(task))["registered_model"]
        except NotFoundError:
            return []
        aliases: dict[str, tuple[str, ...]] = {}
        for item in model.get("aliases", ()):  # a search for versions does not tell them
            aliases[item["version"]] = (*aliases.get(item["version"], ()), item["alias"])
        found = (self._version(task, version) for version in self._api_versions(f"name='{self._name(task)}'"))
        named = [replace(version, aliases=aliases.get(version.number, ())) for version in found]
        return sorted(named, key=lambda version: -int(version.number))

    def delete(self, task: Task, version: Version) -> None:
        """Remove a version from the registry; its files stay, and MLflow's run of it with its metrics."""
        with contextlib.suppress(NotFoundError):
            self._api.delete("model-versions/delete", name=self._name(task), version=version.number)

    def track(
        self, task: Task, request: RunRequest, *, note: str = "", parameters: Mapping[str, Any] = MappingProxyType({})
    ) -> Tracking:
        """Return MLflow's run of a run, with a place for its model, both made where they are not there yet.

        ``note`` describes both, ``parameters`` are those of the model.
        """
        experiment = self._experiment(task)
        run = self._run(experiment, request, note)["info"]
        model = self._logged_model(experiment, run["run_id"], task, note, parameters)["info"]
        return Tracking(
            run["run_id"], experiment, run["artifact_uri"] + "/", model["model_id"], model["artifact_uri"] + "/"
        )

    def log(
        self,
        tracking: Tracking,
        *,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[tuple[int, float]]] = MappingProxyType({}),
        dataset: Dataset | None = None,
    ) -> None:
        """Write parameters and metrics, those of the model on ``dataset``; a curve has a value at each of its steps."""
        items = _parameters(parameters)
        for start in range(0, len(items), MAX_BATCH):
            self._api.post("runs/log-batch", run_id=tracking.mlflow_run_id, params=items[start : start + MAX_BATCH])
        common: Json = {"timestamp": _milliseconds(), "model_id": tracking.model_id}
        if dataset is not None:
            common |= {"dataset_name": dataset.name, "dataset_digest": dataset.digest}
        points = [(key, 0, value) for key, value in metrics.items()]
        points += [(key, step, value) for key, curve in curves.items() for step, value in curve]
        measured = [{"key": key, "value": value, "step": step, **common} for key, step, value in points]
        self._api.post("runs/log-batch", run_id=tracking.mlflow_run_id, metrics=measured)

    def log_dataset(self, tracking: Tracking, dataset: Dataset) -> None:
        """Write which dataset went into the run."""
        columns = dataset.contract.columns
        schema = [{"type": MLFLOW_TYPES[column.type], "name": column.name, "required": True} for column in columns]
        written = {
            "name": dataset.name,
            "digest": dataset.digest,
            "source_type": "http",
            "source": json.dumps({"url": dataset.source}),
            "schema": json.dumps({"mlflow_colspec": schema}),
            "profile": json.dumps({"num_rows": dataset.rows, "num_elements": dataset.rows * len(columns)}),
        }
        tags = [{"key": "mlflow.data.context", "value": "training"}]
        self._api.post("runs/log-inputs", run_id=tracking.mlflow_run_id, datasets=[{"dataset": written, "tags": tags}])

    def create_version(self, task: Task, tracking: Tracking, *, tags: Mapping[str, str], description: str) -> Version:
        """Return the version of a run's model, made where it is not there yet."""
        name = self._name(task)
        self._create("registered-models/create", name=name, description=_described(notes.of_task(task)))

        def find() -> Json | None:
            found = self._api_versions(f"name='{name}' and run_id='{tracking.mlflow_run_id}'")
            first = min(found, key=lambda version: int(version["version"]), default=None)
            return first and {"model_version": first}

        if find() is None:
            status = {"model_id": tracking.model_id, "status": "LOGGED_MODEL_READY"}
            self._api.patch(f"logged-models/{tracking.model_id}", **status)
        made = self._api.make(
            find,
            "model-versions/create",
            name=name,
            source=f"models:/{tracking.model_id}",
            run_id=tracking.mlflow_run_id,
            model_id=tracking.model_id,
            tags=_items(tags),
            description=_described(description),
        )
        return self._version(task, made["model_version"])

    def end(self, tracking: Tracking) -> None:
        """Mark MLflow's run as finished."""
        self._api.post("runs/update", run_id=tracking.mlflow_run_id, status="FINISHED", end_time=_milliseconds())

    def promote(self, task: Task, version: Version, request: RunRequest, *, replaces: Version | None = None) -> None:
        """Move the alias. The order goes before it, on the version, and which version it ``replaces``."""
        self._count_as_promoted(task, version, request, replaces=replaces)
        self._api.post("registered-models/alias", name=self._name(task), alias=PROD, version=version.number)

    def confirm(self, task: Task, version: Version, request: RunRequest) -> None:
        """Let the promotion of what serves count as that of a later run."""
        self._count_as_promoted(task, version, request)

    def _count_as_promoted(
        self, task: Task, version: Version, request: RunRequest, *, replaces: Version | None = None
    ) -> None:
        """Write on a version whose promotion counts. The order comes last: where it stands, the others do."""
        other = replaces.number if replaces and replaces.number != version.number else ""
        self._tag_version(task, version, prod_replaces=other, prod_run_id=request.run_id, prod_order=request.order)

    def date(self, task: Task, version: Version, request: RunRequest) -> None:
        """Write when a version came into service, and what a person took out by it. True once the alias moved.

        That is after the version before it did, whatever clocks say.
        """
        moment, before = now(), self._replaced_by(task, version)
        if before is not None and before.promoted_at is not None:
            moment = max(moment, before.promoted_at + timedelta(microseconds=1))
        self._tag_version(task, version, promoted_at=moment.isoformat(), taken_out_by="")
        if request.kind == "rollback" and before is not None:
            self._tag_version(task, before, taken_out_by=request.run_id)

    def _replaced_by(self, task: Task, version: Version) -> Version | None:
        with contextlib.suppress(NotFoundError):
            if number := version.tags.get("prod_replaces"):
                return self.version(task, number)
        return None

    def heal(self, task: Task, version: Version) -> None:
        """Give the alias back to a version that has it no more."""
        self._api.post("registered-models/alias", name=self._name(task), alias=PROD, version=version.number)

    def tell_reference(self, task: Task, reference: Profile) -> None:
        """Copy to the registered model which dataset is the reference, and who decided so, when and why."""
        name, kept = self._name(task), {}
        tags = {
            "reference_sha256": reference.data_sha256,
            "reference_by": reference.blessed_by or "",
            "reference_why": reference.why or "",
            "reference_at": f"{reference.created_at or ''}",
        }
        try:
            kept = _tags(self._api.get("registered-models/get", name=name)["registered_model"])
        except NotFoundError:
            self._create("registered-models/create", name=name, description=_described(notes.of_task(task)))
        for item in _items({key: value for key, value in tags.items() if kept.get(key) != value}):
            self._api.post("registered-models/set-tag", name=name, **item)

    def link(self, tracking: Tracking) -> str:
        """Return the address of MLflow's run in a browser."""
        return f"{self._public_url}/#/experiments/{tracking.experiment_id}/runs/{tracking.mlflow_run_id}"

    def _name(self, task: Task) -> str:
        return task.model_name(self._owner)

    def _experiment(self, task: Task) -> str:
        name = f"regraft-{task.name}"
        tags = {KIND: "custom_model_development", NOTE: notes.of_experiment(task)}
        self._create("experiments/create", name=name, tags=_items(tags))
        found = self._api.get("experiments/get-by-name", experiment_name=name)["experiment"]
        experiment_id: str = found["experiment_id"]
        if found.get("lifecycle_stage") == "deleted":  # by somebody on MLflow's page; its name is taken still
            self._api.post("experiments/restore", experiment_id=experiment_id)
        return experiment_id

    def _run(self, experiment: str, request: RunRequest, note: str) -> Json:
        search = {"experiment_ids": [experiment], "filter": f"tags.run_id = '{request.run_id}'", "max_results": 1}

        def find() -> Json | None:
            found = self._api.post("runs/search", **search).get("runs")
            return {"run": found[0]} if found else None

        tags = {
            "run_id": request.run_id,
            "task": request.task,
            "data_url": request.data_url or "",
            "mlflow.user": self._owner,
            "mlflow.source.name": "regraft",
            "mlflow.source.type": "JOB",
            NOTE: _described(note),
        }
        run: Json = self._api.make(
            find,
            "runs/create",
            experiment_id=experiment,
            run_name=request.run_id,
            start_time=_milliseconds(),
            tags=_items(tags),
        )["run"]
        return run

    def _logged_model(
        self, experiment: str, mlflow_run_id: str, task: Task, note: str, parameters: Mapping[str, Any]
    ) -> Json:
        search = {"experiment_ids": [experiment], "filter": f"source_run_id = '{mlflow_run_id}'"}

        def find() -> Json | None:
            found = self._api.post("logged-models/search", **search).get("models")
            return {"model": found[0], "found": True} if found else None

        made = self._api.make(
            find,
            "logged-models",
            experiment_id=experiment,
            source_run_id=mlflow_run_id,
            name=task.name,
            params=_parameters(parameters),
            tags=_items({"task": task.name, "mlflow.user": self._owner, NOTE: _described(note)}),
        )
        model: Json = made["model"]
        if "found" not in made:
            # The run's page lists the model by this; it would list it twice if this were written again.
            listed = [{"model_id": model["info"]["model_id"], "step": 0}]
            self._api.post("runs/outputs", run_id=mlflow_run_id, models=listed)
        return model

    def _create(self, path: str, **body: Any) -> None:
        """Create a thing of a given name unless it is there."""
        try:
            self._api.post(path, **body)
        except RegraftError as error:
            if error.details.get("error_code") != "RESOURCE_ALREADY_EXISTS":
                raise

    def _api_versions(self, criteria: str) -> list[Json]:
        versions: list[Json] = []
        token = ""
        while True:
            page = self._api.get("model-versions/search", filter=criteria, max_results="1000", page_token=token)
            versions += page.get("model_versions", ())
            token = page.get("next_page_token", "")
            if not token:
                return versions

    def _version(self, task: Task, found: Json) -> Version:
        # The source is models:/m-..., which only MLflow can resolve, to an address that never changes.
        number, source = str(found["version"]), found.get("source", "")
        key = (self._name(task), number, source)
        if key not in self._places:
            place = self._api.get("model-versions/get-download-uri", name=key[0], version=number)
            self._places[key] = place["artifact_uri"].rstrip("/") + "/"
        return Version(number, self._places[key], found.get("run_id", ""), _tags(found))

    def _tag_version(self, task: Task, version: Version, **tags: str) -> None:
        for item in _items(tags):
            self._api.post("model-versions/set-tag", name=self._name(task), version=version.number, **item)


def _described(words: str) -> str:
    return words[:MAX_DESCRIPTION]


def _parameters(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)[:MAX_PARAMETER_LENGTH]} for key, value in parameters.items()]


def _items(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _tags(found: Json) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}


def _milliseconds() -> int:
    return round(time.time() * 1000)
