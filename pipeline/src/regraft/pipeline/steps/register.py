"""Step register: the bundle becomes a version in the registry, with all that explains it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from regraft.core import layout
from regraft.core.verdict import Verdict
from regraft.inference.bundle import VERSION_FILE, version_json
from regraft.pipeline import plots
from regraft.pipeline.folders import Folder
from regraft.pipeline.registry import Tracking
from regraft.pipeline.steps import Context, DownloadResult, RegisterResult, TrainResult


def run(context: Context) -> RegisterResult:
    """Log the run, copy the bundle to the registry's artifacts, make the version and write its number beside it.

    Everything is looked for before it is made: a step that was killed goes on with what is there.
    """
    request, task, registry = context.request, context.task, context.registry
    downloaded = context.result("download", DownloadResult)
    trained = context.result("train", TrainResult)
    verdict = context.verdict()
    context.progress(None, "logging the run")
    tracking = registry.track(task, request)
    registry.log(
        tracking,
        parameters={"task": task.name, "estimator": type(task.estimator()).__name__, **trained.parameters},
        metrics={**trained.metrics, "fit_seconds": trained.seconds, "rows": verdict.usable_rows},
    )
    registry.log_dataset(
        tracking,
        name=task.name,
        sha256=downloaded.data_sha256,
        source=downloaded.final_url,
        rows=verdict.usable_rows,
    )
    _log_artifacts(context, tracking, verdict)
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
        },
        description=f"Trained by {request.run_id} on {verdict.usable_rows:,} rows of {request.data_url}",
    )
    served.store.put(served.prefix + VERSION_FILE, version_json(version.number).encode())
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


def _log_artifacts(context: Context, tracking: Tracking, verdict: Verdict) -> None:
    """Copy verdict and report, and draw the plots."""
    folder = context.workdir / "artifacts"
    run_id = context.request.run_id
    _fetch(context, layout.verdict(run_id), folder / "verdict.json")
    _fetch(context, layout.report(run_id), folder / "report.html")
    held_out = context.workdir / "held-out.parquet"
    context.store.get_file(layout.held_out(run_id), held_out)
    plots.draw(folder / "plots", context.task, verdict, pd.read_parquet(held_out))
    _folder(context, tracking.artifact_uri).upload(folder)


def _fetch(context: Context, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    context.store.get_file(key, path)


def _folder(context: Context, uri: str) -> Folder:
    return Folder.at(uri, endpoint_url=context.settings.s3_endpoint_url)
