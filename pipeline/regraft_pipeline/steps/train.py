"""Step train: a new estimator on this dataset alone, and its bundle."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from regraft_core import layout
from regraft_core.fit.counts import UNFIT_PSI
from regraft_core.profile import Profile
from regraft_core.runs import now
from regraft_core.stores.folders import Folder
from regraft_core.verdict import Verdict
from regraft_inference.bundle import BundleInfo, write_bundle
from regraft_inference.estimators import Estimator, ExplainingEstimator, StreamingEstimator
from regraft_pipeline.data.dataset import Dataset
from regraft_pipeline.steps import Context, DownloadResult, TrainResult
from regraft_pipeline.tasks import Task

GOLDEN_ROWS = 20
"""Rows whose answers a server must repeat before it is ready."""


def run(context: Context) -> TrainResult:
    """Fit on the rows that the gates left, and leave the bundle in the store. The metrics are the verdict's."""
    run_id, task = context.request.run_id, context.task
    data = _dataset(context)
    verdict = context.verdict()
    context.progress(None, f"fitting on {len(data):,} rows")
    began = time.perf_counter()
    estimator = fitted(task, data, verdict.profile)
    seconds = time.perf_counter() - began
    folder = context.workdir / "bundle"
    write(
        folder,
        task,
        data,
        estimator,
        verdict,
        data_sha256=context.result("download", DownloadResult).data_sha256,
        run_id=run_id,
        data_url=context.request.data_url,
    )
    _put_explanation(context, estimator, data)
    context.progress(None, "storing the bundle")
    Folder(context.store, layout.bundle(run_id)).upload(folder)
    context.log.info("trained", rows=len(data), seconds=round(seconds, 3))
    return context.finish(
        "train",
        TrainResult(
            metrics=verdict.metrics,
            parameters=estimator.parameters(),
            seconds=seconds,
            contract=context.task.contract,
            message=f"fitted on {len(data):,} rows in {seconds:.1f} s",
        ),
    )


def _dataset(context: Context) -> Dataset:
    path = context.workdir / "clean.parquet"
    context.store.get_file(layout.clean(context.request.run_id), path)
    return Dataset(path)


def fitted(task: Task, data: Dataset, profile: Profile | None) -> Estimator:
    """Return a new estimator that has learned from all rows, in batches where it can, as the gates have measured it."""
    estimator = task.estimator_on(None if profile is None else profile.scale)
    if isinstance(estimator, StreamingEstimator):
        return estimator.fit_batches(data.training_batches(task))
    frame = data.frame()
    return estimator.fit(task.columns_of(frame), task.target_of(frame))


def write(
    folder: Path,
    task: Task,
    data: Dataset,
    estimator: Estimator,
    verdict: Verdict,
    *,
    data_sha256: str,
    run_id: str = "",
    data_url: str | None = None,
) -> None:
    """Write the bundle of an estimator that has learned from a dataset which the gates let pass."""
    write_bundle(
        folder,
        contract=task.contract,
        estimator=estimator,
        info=BundleInfo(
            task=task.name,
            run_id=run_id,
            data_sha256=data_sha256,
            data_url=data_url,
            estimator=type(estimator).format,
            created_at=now(),
            metrics=verdict.metrics,
            definition=task.definition,
            unfit_psi=UNFIT_PSI if task.gates.input_drift_psi is None else task.gates.input_drift_psi,
            requests=task.requests,
        ),
        golden=task.columns_of(golden(data)),
        profile=verdict.profile,
    )


def _put_explanation(context: Context, estimator: Estimator, data: Dataset) -> None:
    """Leave what the estimator tells of its training, where it tells anything."""
    if isinstance(estimator, ExplainingEstimator):
        told = estimator.explain(data.training_batches(context.task))
        context.store.put(layout.training(context.request.run_id), json.dumps(told, allow_nan=False).encode())


def golden(data: Dataset) -> pd.DataFrame:
    """Return rows from the whole of the dataset, the first and the last among them."""
    return data.take(np.unique(np.linspace(0, len(data) - 1, GOLDEN_ROWS).astype(np.int64)))
