"""One table's way: ``regraft init`` in an empty folder, all gates, a bundle, and an answer of the real predictor."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from regraft_cli.main import app
from regraft_core.definition import read_definition
from regraft_core.errors import RegraftError
from regraft_inference.bundle import version_json
from regraft_inference.columns import json_values
from regraft_pipeline import gates
from regraft_pipeline.init import draft
from regraft_pipeline.init.table import read_table
from regraft_pipeline.steps.train import fitted, write
from regraft_pipeline.tasks import Task
from regraft_pipeline.tasks.files import task_of
from tests.bench.tabular.table import KnownTable
from tests.unit.inference.serving import serving

ASKED_ROWS = 20


@dataclass
class Trip:
    """What became of a table. ``failed`` says where the way ended, and why; seconds are of CPU."""

    name: str
    source: str
    target: str
    rows: int = 0
    columns: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    skill: float | None = None
    halves: list[str] = field(default_factory=list)
    init_seconds: float = 0.0
    train_seconds: float = 0.0
    ask_seconds: float = 0.0
    failed: str = ""
    tried: bool = True
    """Whether it went the whole way, or its columns were only decided on."""


def decided(table: KnownTable, csv: Path) -> Trip:
    """Let ``init`` decide what the columns of a table are, and no more."""
    found = Trip(table.name, table.source, table.target, tried=False)
    began = time.process_time()
    frame = read_table(csv).frame
    drawn = draft(frame, table.target)
    found.init_seconds = time.process_time() - began
    found.rows, found.columns = drawn.rows, len(drawn.columns)
    _compare(
        table,
        [(one.name, one.type, one.why) for one in drawn.columns],
        {one.column for one in drawn.suspicions if one.code in ("copy", "leak")},
        found,
    )
    return found


def trip(table: KnownTable, home: Path) -> Trip:
    """Take a table the whole way; nothing is edited on it."""
    found = Trip(table.name, table.source, table.target)
    csv = home / "data" / f"{table.name}.csv"
    csv.parent.mkdir(parents=True, exist_ok=True)
    table.write(csv)
    shutil.rmtree(home / "tasks" / table.name, ignore_errors=True)
    told = _init(table, csv, home / "tasks", found)
    if told is None:
        return found
    _compare(
        table,
        [(one["name"], one["type"], one["why"]) for one in told["columns"]],
        {one["column"] for one in told["suspicions"] if one["code"] in ("copy", "leak")},
        found,
    )
    try:
        task = task_at(home / "tasks" / table.name)
        _serve(task, home / "models", found)
    except RegraftError as error:
        found.failed = f"{error.code}: {error.message}"
    return found


def task_at(folder: Path) -> Task:
    """Return the task whose file ``init`` has written into a folder."""
    return task_of(read_definition((folder / "task.yaml").read_bytes()), folder)


def _init(table: KnownTable, csv: Path, tasks: Path, found: Trip) -> Any:
    began = time.process_time()
    arguments = ["init", str(csv), "--target", table.target, "--tasks", str(tasks), "--name", table.name, "--json"]
    result = CliRunner().invoke(app, arguments)
    found.init_seconds = time.process_time() - began
    if result.exit_code:
        found.failed = f"init: {result.exception!r} {result.stderr}"
        return None
    told = json.loads(result.stdout)
    found.rows, found.columns, found.skill = told["rows"], len(told["columns"]), told["skill"]
    found.halves = [f"{one['severity']} {one['code']} {one['message']}" for one in told["halves"]["reasons"]]
    return told


def _compare(table: KnownTable, columns: list[tuple[str, str, str]], suspected: set[str], found: Trip) -> None:
    """Hold what columns were taken for, and why, against what they are."""
    for name, taken, why in columns:
        if taken not in table.right(name):
            found.wrong.append(f"{name}: {taken} ({why}), not {' or '.join(table.right(name))}")
    found.missed = sorted(table.leaks - suspected)


def _serve(task: Task, models: Path, found: Trip) -> None:
    reference = task.reference
    assert reference is not None
    judged = gates.judge(reference, task, reference=None, incumbent=None)
    if not judged.verdict.accepted or judged.data is None:
        found.failed = f"gates: {judged.verdict.summary()}: {'; '.join(r.message for r in judged.verdict.errors)}"
        return
    began = time.process_time()
    folder = models / task.name
    shutil.rmtree(folder, ignore_errors=True)
    estimator = fitted(task, judged.data, judged.profile)
    write(folder, task, judged.data, estimator, judged.verdict, data_sha256="0" * 64)
    (folder / "version.json").write_text(version_json("1"))
    found.train_seconds = time.process_time() - began
    frame = judged.data.sample(ASKED_ROWS)
    columns = task.columns_of(frame)
    asked = {column.name: json_values(column, columns[column.name]) for column in task.contract.features}
    began = time.process_time()
    with serving(models) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        answer = client.post(f"/{task.name}/predict", json=asked)
        if answer.status_code != 200:
            found.failed = f"predict: {answer.status_code} {answer.text}"
            return
        aside = dict.fromkeys(task.contract.ignored, "left aside")
        records = [dict(zip(asked, row, strict=True)) | aside for row in zip(*asked.values(), strict=True)]
        again = client.post(f"/{task.name}/predict", json=records)
    found.ask_seconds = time.process_time() - began
    answers = answer.json()[task.contract.target.name]
    own = json_values(task.contract.target, estimator.predict(columns))
    if answers != own:
        found.failed = f"predict: {answers[:3]} is not what the estimator says, {own[:3]}"
    elif again.status_code != 200 or again.json()[task.contract.target.name] != own:
        found.failed = f"predict: as records {again.status_code} {again.text[:300]}"
