"""A gate and a step are added by a module and a line: the decision shows both as diffs, which are applied here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DECISION = ROOT / "docs" / "decisions" / "0009-tables.md"
DIFFS = re.findall(r"^```diff\n(.*?)^```$", DECISION.read_text(), re.DOTALL | re.MULTILINE)

GATE = """
from pathlib import Path
from regraft_pipeline.gates import judge
from regraft_pipeline.report.report import QUESTIONS
from regraft_pipeline.tasks import passwords

rows = passwords.TASK.first_dataset().decode().splitlines(keepends=True)
Path("whole.csv").write_text("".join(rows))
Path("part.csv").write_text("".join(rows[: len(rows) // 3]))
reference = judge(Path("whole.csv"), passwords.TASK, reference=None, incumbent=None).profile
verdict = judge(Path("part.csv"), passwords.TASK, reference=reference, incumbent=None).verdict
assert [reason.code for reason in verdict.reasons if reason.gate == "size"] == ["too_few_rows"], verdict
assert QUESTIONS["size"] == "Is the dataset whole?"
"""

STEP = """
from pathlib import Path
from regraft_core import layout
from regraft_core.record import compose
from regraft_core.results import TrainResult
from regraft_core.runs import Run, RunRequest, now
from regraft_core.stores.objects import open_store, put_model
from regraft_pipeline.argo.template import workflow_template
from regraft_pipeline.assembly import run_step
from regraft_pipeline.settings import PipelineSettings

settings = PipelineSettings(store_url=Path("store").absolute().as_uri())
request = RunRequest(run_id="run-of-pace", task="heart-disease", accepted_at=now())
store = open_store(settings.store_url)
trained = TrainResult(metrics={}, parameters={}, seconds=1800)
put_model(store, layout.step_result(request.run_id, "train"), trained)
result = run_step("pace", request, settings, progress=print, workdir=Path())
assert result.message == "training took 50% of its time", result
assert compose(store, request, {}).step("pace").state == "succeeded"
templates = workflow_template().to_dict()["spec"]["templates"]
chain = next(template for template in templates if template["name"] == "from-train")
assert "from-pace" in str(chain), chain
"""


@pytest.mark.parametrize(("diff", "lines"), [(DIFFS[0], 2), (DIFFS[1], 1)], ids=["gate", "step"])
def test_it_is_a_module_and_a_line(diff: str, lines: int) -> None:
    added, *changed = re.split(r"^(?=--- )", diff, flags=re.MULTILINE)[1:]
    assert added.startswith("--- /dev/null")
    assert len(re.findall(r"^\+(?!\+)", "".join(changed), re.MULTILINE)) == lines  # the line, and the import of a gate


def test_what_is_added_so_works(tmp_path: Path) -> None:
    packages = [tmp_path / "core" / "regraft_core", tmp_path / "pipeline" / "regraft_pipeline"]
    for package in packages:
        shutil.copytree(ROOT / package.relative_to(tmp_path), package, ignore=shutil.ignore_patterns("__pycache__"))
    for diff in DIFFS:
        subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=tmp_path, check=True)
    path = os.pathsep.join(str(package.parent) for package in packages)
    program = [sys.executable, "-c", GATE + STEP]  # one process: most of what it takes is loading the libraries
    subprocess.run(program, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": path})
