"""The command ``manifests``: a task's file as objects of a cluster."""
# ruff: noqa: PLC0415, PLR0917  (imports wait until they are needed; the arguments of a command are its options)

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from regraft_cli import terminal


def manifests(
    file: Annotated[
        Path,
        typer.Argument(metavar="TASK", help="The task's file, its folder, or its name among the task files"),
    ],
    namespace: Annotated[str, typer.Option(help="Where Regraft is installed")] = "regraft",
    replicas: Annotated[int, typer.Option(min=1, help="Pods of the predictor")] = 1,
    cpu: Annotated[str, typer.Option(help="Most CPU of a predictor's pod")] = "2",
    memory: Annotated[str, typer.Option(help="Most memory of a predictor's pod")] = "1Gi",
    host: Annotated[str | None, typer.Option(help="Host of the Ingress; any where none is given")] = None,
    ingress_class: Annotated[str | None, typer.Option(help="Class of the Ingress; the cluster's default")] = None,
    tls_secret: Annotated[str | None, typer.Option(help="Secret with the Ingress's certificate")] = None,
) -> None:
    """Print a task's objects: ConfigMap, InferenceService, Ingress, PodDisruptionBudget.

    `regraft manifests tasks/NAME/task.yaml | kubectl apply --server-side -f -` brings the task into a cluster, and
    `kubectl delete -f -` takes it away.
    """
    # The matrices are small: threads that wait for each other cost more than they help.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from regraft_pipeline.manifests import Place, render

    err = terminal.make_console(stderr=True)
    with err.status("counting the reference"):
        made = render(_file_of(file), Place(namespace, replicas, cpu, memory, host, ingress_class, tls_secret))
    sys.stdout.write(made)


def _file_of(given: Path) -> Path:
    """Return a task's file: the very one, that of a folder, or that of a task's name. Raises TaskFileError."""
    from regraft_core.definition import FILE_NAME, TaskFileError, task_files
    from regraft_core.settings import CoreSettings

    if (given / FILE_NAME).is_file():
        return given / FILE_NAME
    if given.is_file() or len(given.parts) != 1:
        return given
    folder = CoreSettings().tasks_dir
    named = {file.name: file.path for file in task_files(folder)}
    if given.name in named:
        return named[given.name]
    known = f"; there are: {', '.join(named)}" if named else ""
    raise TaskFileError(f"there is no file {given.name!r} and no task of this name in {folder}{known}")
