"""The gates, training and models on a DataFrame."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from regraft_core.definition import TaskFileError
from regraft_core.errors import BadRequestError, NotFoundError
from regraft_pipeline import api
from tests.seals import TASK, seals


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "task.yaml"
    path.write_text(TASK)
    (tmp_path / "reference.csv").write_text("length,kind\n1,grey\n")
    return path


def test_a_frame_is_judged_trained_on_and_its_model_read_again(task: Path, tmp_path: Path) -> None:
    reference, frame = seals(1), seals(2)
    verdict = api.judge(frame, task, reference=reference)
    assert verdict.accepted, verdict.summary()
    model = api.train(frame, task, tmp_path / "model", reference=reference)
    assert model.metrics["recall"] > 0.9
    answers = model.predict(reference)
    assert list(answers.index) == list(reference.index)
    assert (answers["kind"] == reference["kind"]).mean() > 0.9
    assert api.load(tmp_path / "model").predict(reference).equals(answers)


def test_numbers_of_a_frame_are_numbers_however_the_files_write_them(task: Path, tmp_path: Path) -> None:
    task.write_text(TASK.replace("{name: length, type: number}", '{name: length, type: number, format: "1.234,5"}'))
    old, new = (seals(seed).assign(length=lambda frame: frame["length"] * 1000 + 0.125) for seed in (1, 2))
    written = new.assign(length=new["length"].map(lambda value: f"{value:,.3f}".translate(str.maketrans(",.", ".,"))))
    of_frame, of_text = (api.judge(one, task, reference=old) for one in (new, written))
    assert of_frame.accepted, of_frame.summary()
    assert of_frame.profile is not None
    assert of_text.profile is not None
    assert of_frame.profile.inputs == of_text.profile.inputs


def test_what_the_gates_refuse_is_not_trained_on(task: Path, tmp_path: Path) -> None:
    frame = seals(2)
    frame["kind"] = frame["kind"].sample(frac=1, random_state=1).to_numpy()
    with pytest.raises(api.RejectedError) as caught:
        api.train(frame, str(task), tmp_path / "model", reference=seals(1))
    assert caught.value.verdict.errors
    assert not (tmp_path / "model").exists()
    with pytest.raises(api.RejectedError):  # nor is it a reference
        api.judge(seals(1), task, reference=frame)


def test_a_file_is_taken_as_a_frame_is(task: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    seals(1).to_csv(good, index=False)
    seals(2).assign(kind=seals(2)["kind"].sample(frac=1, random_state=1).to_numpy()).to_csv(bad, index=False)
    assert api.judge(str(good), task, reference=good).accepted
    assert [one.code for one in api.judge(bad, task, reference=seals(1)).errors] == ["not_learnable"]
    assert api.train(good, task, tmp_path / "model").bundle.info.data_sha256 == sha256(good.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("table", "told"), [("none.csv", "'none.csv': there is no such file"), ([{"size": 1}], "not list"), (3, "not int")]
)
def test_what_is_neither_a_frame_nor_a_file_is_refused(task: Path, table: Any, told: str) -> None:
    for frame, reference in ((table, None), (seals(1), table)):
        with pytest.raises(BadRequestError, match=told) as caught:
            api.judge(frame, task, reference=reference)
        assert caught.value.code == "data_missing"


def test_a_task_is_named_by_its_name_or_by_its_file(tmp_path: Path) -> None:
    assert not api.judge(seals(1), "passwords").accepted
    with pytest.raises(NotFoundError, match="there is no task"):
        api.judge(seals(1), "walruses")
    with pytest.raises(TaskFileError, match="cannot be read"):
        api.judge(seals(1), tmp_path / "none.yaml")


def test_the_page_shows_the_program_that_it_runs() -> None:
    docs = Path(__file__).parents[3] / "docs"
    program = (docs / "python_example.py").read_text().split('"""\n\n', 1)[1]
    assert program in (docs / "python.md").read_text()
