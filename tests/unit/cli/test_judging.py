"""A task whose file is nowhere here: judged, blessed, pulled and read through the trigger service of its stack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from regraft_cli.main import app
from regraft_core import layout
from regraft_core.definition import WatchedFolder
from regraft_core.profile import Profile
from regraft_core.results import RegisterResult
from regraft_core.runs import Run, RunRequest, RunState, Step, StepState, now
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_core.stores.queue import RunStore
from regraft_core.verdict import Verdict
from regraft_pipeline import api
from regraft_trigger.backends.local import LocalBackend
from tests.seals import TASK, seals
from tests.unit.trigger.serving import running

TOKEN = "let-me-in-0123456789"


@dataclass(frozen=True)
class Elsewhere:
    """A stack in another place, and the command line here."""

    url: str
    objects: FileStore
    here: Path

    def regraft(self, *arguments: str | Path, token: str | None = TOKEN) -> Result:
        option = ["--token", token] if token else []
        return CliRunner().invoke(app, [*map(str, arguments), "--task", "seals", "--url", self.url, *option])


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    home = folder / "tasks" / "seals"
    home.mkdir(parents=True)
    (home / "task.yaml").write_text(f"{TASK}estimator: boosted\n")
    seals(1).to_csv(home / "reference.csv", index=False)
    runs, objects = RunStore(folder / "regraft.db"), FileStore(folder / "bucket")
    api.train(seals(1), home / "task.yaml", folder / "model")
    profile = Profile.model_validate_json((folder / "model" / "profile.json").read_bytes())
    put_model(objects, layout.reference("seals"), profile)
    objects.put(layout.raw_dataset("ab" * 32), b"length,kind\n1,grey\n")
    uri = f"{(folder / 'model').as_uri()}/"
    put_model(objects, layout.serving("seals"), Serving(task="seals", version="2", run_id="r", uri=uri, since=now()))
    for number, run_id in (("1", "run-1"), ("2", "run-2")):
        request = RunRequest(run_id=run_id, task="seals", data_url="https://d.example/s.csv", accepted_at=now())
        run = Run.accept(request)
        steps = [Step(name=step.name, state=StepState.SUCCEEDED) for step in run.steps]
        ended = {"state": RunState.PROMOTED, "version": number, "steps": steps, "finished_at": now()}
        runs.submit(request)
        runs.save(run.model_copy(update={**ended, "data_sha256": "ab" * 32}))
        made = RegisterResult(version=number, uri=uri, mlflow_run_id="m", link="http://m")
        put_model(objects, layout.step_result(run_id, "register"), made)
    put_model(
        objects,
        layout.verdict("run-1"),
        Verdict(task="seals", accepted=True, reasons=[], rows=150, usable_rows=150, profile=profile),
    )
    backend = LocalBackend(runs, objects, watched=WatchedFolder(folder / "tasks"))
    with running(folder, backend, trigger_token=TOKEN) as service:
        yield Elsewhere(service.url, objects, tmp_path_factory.mktemp("here"))


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    def write(frame: pd.DataFrame) -> Path:
        path = tmp_path / "data.csv"
        frame.to_csv(path, index=False)
        return path

    return write


def test_a_dataset_is_judged_by_the_standards_of_the_stack(
    elsewhere: Elsewhere, csv: Callable[[pd.DataFrame], Path]
) -> None:
    good = elsewhere.regraft("verdict", csv(seals(2)), "--json")
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["incumbent_metrics"]["recall"] > 0.9
    bad = elsewhere.regraft("verdict", csv(seals(2).assign(length=lambda frame: frame["length"] * 25.4)))
    assert bad.exit_code == 3
    assert f"--url {elsewhere.url}" in bad.stdout.replace("\n", "")


def test_the_dataset_and_the_bundle_of_a_version_are_given_away(elsewhere: Elsewhere) -> None:
    data = elsewhere.regraft("data", "1")
    assert data.stdout == "length,kind\n1,grey\n"
    for version in ("1", "2"):
        pulled = elsewhere.regraft("pull", version, "--output", elsewhere.here / version)
        assert pulled.exit_code == 0, pulled.output
        assert (elsewhere.here / version / "requirements.txt").is_file()
        answers = api.load(elsewhere.here / version / "model").predict(seals(3))
        assert (answers["kind"] == seals(3)["kind"]).mean() > 0.9
        shutil.rmtree(elsewhere.here / version)
    for command in ("data", "pull"):
        unknown = elsewhere.regraft(command, "9")
        assert getattr(unknown.exception, "code", None) == "version_unknown"


def test_rows_are_given_to_nobody_without_the_token(elsewhere: Elsewhere) -> None:
    for arguments in (("data", "1"), ("pull", "1", "--output", elsewhere.here / "none")):
        refused = elsewhere.regraft(*arguments, token=None)
        assert getattr(refused.exception, "code", None) == "unauthorized"
    assert not (elsewhere.here / "none").exists()


def test_a_person_makes_a_file_or_a_run_the_reference(
    elsewhere: Elsewhere, csv: Callable[[pd.DataFrame], Path]
) -> None:
    def reference() -> Profile:
        found = get_model(elsewhere.objects, layout.reference("seals"), Profile)
        assert found is not None
        return found

    of_run = reference().data_sha256
    blessed = elsewhere.regraft("bless", csv(seals(4)), "--by", "ada", "--why", "a new year")
    assert blessed.exit_code == 0, blessed.output
    assert (reference().blessed_by, reference().why) == ("ada", "a new year")
    assert reference().data_sha256 != of_run
    assert elsewhere.regraft("bless", "run-1", "--by", "ada", "--why", "the old one").exit_code == 0
    assert reference().data_sha256 == of_run
    unknown = elsewhere.regraft("bless", "run-9", "--by", "ada", "--why", "?")
    assert getattr(unknown.exception, "code", None) == "run_unknown"
    assert getattr(elsewhere.regraft("bless", "run-1", "--why", "?", token=None).exception, "code", None)
