"""Step register: the bundle becomes a version in the registry, with all that explains it."""

from __future__ import annotations

from regraft_core import layout
from regraft_core.profile import Profile
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import find_model, get_model
from regraft_core.verdict import Verdict
from regraft_inference.bundle import VERSION_FILE, version_json
from regraft_pipeline.registry import notes
from regraft_pipeline.registry.version import Dataset, Tracking
from regraft_pipeline.report import plots, report
from regraft_pipeline.report.plots import HeldOut, Training
from regraft_pipeline.steps import Context, DownloadResult, RegisterResult, TrainResult


def run(context: Context) -> RegisterResult:
    """Log the run, copy the bundle to the registry's artifacts, make the version and write its number beside it.

    Everything is looked for before it is made: a step that was killed goes on with what is there.
    """
    request, task, registry = context.request, context.task, context.registry
    downloaded = context.result("download", DownloadResult)
    trained = context.result("train", TrainResult)
    training = get_model(context.store, layout.training(request.run_id), Training) or Training()
    verdict = context.verdict()
    note = notes.of_run(request, verdict, context.settings.public_url)
    parameters = {"task": task.name, "estimator": type(task.estimator()).__name__, **trained.parameters}
    dataset = Dataset(
        task.name, downloaded.data_sha256, downloaded.final_url, rows=verdict.usable_rows, contract=task.contract
    )
    context.progress(None, "logging the run")
    tracking = registry.track(task, request, note=note, parameters=parameters)
    registry.log_dataset(tracking, dataset)
    registry.log(
        tracking,
        parameters=parameters,
        metrics={**trained.metrics, "fit_seconds": trained.seconds, **_of_data(verdict)},
        curves={"learning_curve_rmsle": [(point.rows, point.rmsle) for point in training.learning_curve]},
        dataset=dataset,
    )
    _log_artifacts(context, tracking, verdict, training)
    context.progress(None, "making the version")
    bundle = context.workdir / "bundle"
    Folder(context.store, layout.bundle(request.run_id)).download(bundle)
    served = _folder(context, tracking.model_uri)
    served.upload(bundle)
    version = registry.create_version(
        task,
        tracking,
        tags={
            "run_id": request.run_id,
            "data_url": request.data_url or "",
            "data_sha256": downloaded.data_sha256,
            "verdict": "accepted",
            "definition": task.definition,
        },
        description=note,
    )
    served.store.put(served.prefix + VERSION_FILE, version_json(version.number).encode())
    if (held_against := find_model(context.store, layout.reference(task.name), Profile)) is not None:
        registry.tell_reference(task, held_against)
    registry.end(tracking)
    context.log.info("registered", version=version.number, uri=version.uri)
    return context.finish(
        "register",
        RegisterResult(
            version=version.number,
            uri=version.uri,
            mlflow_run_id=tracking.mlflow_run_id,
            link=registry.link(tracking),
            message=f"version {version.number}",
        ),
    )


def _of_data(verdict: Verdict) -> dict[str, float]:
    """Return what the gates measured besides the new model: rows, drift, the version in service."""
    counts = {"rows": verdict.usable_rows, "rows_read": verdict.rows, "warnings": len(verdict.reasons)}
    found = {name: float(count) for name, count in counts.items()}
    if verdict.comparisons:
        found["target_psi"] = verdict.comparisons[0].psi
    return found | {f"incumbent_{name}": value for name, value in verdict.incumbent_metrics.items()}


def _log_artifacts(context: Context, tracking: Tracking, verdict: Verdict, training: Training) -> None:
    """Copy the verdict, tell in the report what the model has learned, and draw the plots."""
    folder = context.workdir / "artifacts"
    run_id = context.request.run_id
    folder.mkdir(parents=True, exist_ok=True)
    context.store.get_file(layout.verdict(run_id), folder / "verdict.json")
    page = report.render(verdict, run_id=run_id, data_url=context.request.data_url, training=training)
    context.store.put(layout.report(run_id), page.encode())
    (folder / "report.html").write_bytes(page.encode())
    held_out = context.workdir / "held-out.parquet"
    context.store.get_file(layout.held_out(run_id), held_out)
    plots.draw(
        folder / "plots",
        target=context.task.contract.target,
        is_classifier=context.task.kind == "classification",
        verdict=verdict,
        held_out=HeldOut.read(held_out),
        training=training,
    )
    _folder(context, tracking.artifact_uri).upload(folder)


def _folder(context: Context, uri: str) -> Folder:
    return Folder.at(uri, endpoint_url=context.settings.s3_endpoint_url)
