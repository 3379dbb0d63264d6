"""The task in docs/tasks.md, word for word: installed, judged, trained, served."""

import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from regraft_core.definition import json_schema
from regraft_inference.bundle import Bundle, BundleInfo, write_bundle
from regraft_pipeline import gates
from regraft_pipeline.tasks import Task, load_task

DOCS = Path(__file__).parents[3] / "docs" / "tasks.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    """Install the package of the page, as far as an installer matters here, and load its task."""
    project = tomllib.loads(block("toml"))["project"]
    (tmp_path / "houses.py").write_text(block("python"))
    info = tmp_path / "regraft_houses-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["regraft.tasks"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[regraft.tasks]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    yield load_task("houses")
    sys.modules.pop("houses", None)


def test_the_task_is_short() -> None:
    assert len(block("python").splitlines()) < 60


def test_the_task_of_the_page_goes_all_the_way(houses: Task, tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    houses.bootstrap().to_csv(path, index=False)
    first = gates.judge(path, houses, reference=None, incumbent=None)
    assert first.verdict.accepted, first.verdict.summary()
    assert first.frame is not None
    assert first.profile is not None
    columns = houses.columns_of(first.frame)
    estimator = houses.estimator().fit(columns, houses.target_of(first.frame))
    info = BundleInfo(
        task=houses.name,
        run_id="run-houses",
        data_sha256=first.profile.data_sha256,
        estimator=estimator.format,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        metrics=first.verdict.metrics,
    )
    write_bundle(
        tmp_path / "bundle",
        contract=houses.contract,
        estimator=estimator,
        info=info,
        golden=houses.columns_of(first.frame.head(20)),
        profile=first.profile,
    )
    bundle = Bundle.load(tmp_path / "bundle")
    bundle.check_golden()
    assert np.array_equal(bundle.predict(columns), estimator.predict(columns))
    again = gates.judge(path, houses, reference=first.profile, incumbent=bundle)
    assert again.verdict.accepted, again.verdict.summary()
    assert houses.model_name("ada") == "ada-houses"
    tripled = houses.bootstrap()
    tripled["price"] *= 3
    tripled.to_csv(path, index=False)
    drifted = gates.judge(path, houses, reference=first.profile, incumbent=bundle)
    assert [reason.code for reason in drifted.verdict.errors] == ["target_drift"]


def documented(first: str) -> set[str]:
    """Return the keys that the table with this first column names."""
    rows = DOCS.read_text().split(f"| {first} | meaning |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    return {key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_page_says_every_key_of_the_file_and_no_other() -> None:
    schema = json_schema()
    column = schema["$defs"][schema["properties"]["columns"]["items"]["$ref"].rpartition("/")[2]]
    assert documented("key") == set(schema["properties"])
    assert documented("key of a column") == set(column["properties"])
