from __future__ import annotations

from regraft_core.runs import RunRequest, now
from regraft_core.verdict import Reason, Verdict
from regraft_pipeline.registry import notes
from regraft_pipeline.tasks import load_task


def request(data_url: str | None = "http://data/a_b.csv") -> RunRequest:
    return RunRequest(run_id="run-a", task="passwords", data_url=data_url, accepted_at=now())


def test_a_run_tells_what_was_found_and_leads_back() -> None:
    verdict = Verdict(
        task="passwords",
        accepted=True,
        rows=1200,
        usable_rows=1100,
        reasons=[Reason(code="input_drift", gate="drift", severity="warning", message="m")] * 2,
        metrics={"skill": 0.97, "mae": 0.01},
        incumbent_metrics={"skill": 0.5},
    )
    note = notes.of_run(request(), verdict, "https://regraft.example.org/")
    assert note.startswith("[The run in Regraft](https://regraft.example.org/runs/run-a) · ")
    assert "1,100 of 1,200 rows of http://data/a_b.csv" in note
    assert "with warnings: `input_drift`." in note
    assert "- skill **0.97** (in service then: 0.5)\n- mae **0.01**" in note


def test_without_an_address_there_are_no_links() -> None:
    note = notes.of_run(request(None), Verdict(task="passwords", accepted=True), None)
    assert "](" not in note
    assert "the task's own reference dataset" in note
    assert "Every gate accepted it." in note


def test_an_address_is_no_markup() -> None:
    note = notes.of_run(request("http://x/![a](http://evil)<b>\n# x"), Verdict(task="passwords", accepted=True), None)
    assert r"\!\[a\](http://evil)\<b\> # x" in note


def test_a_model_tells_what_goes_in_and_what_comes_out() -> None:
    note = notes.of_task(load_task("heart-disease"))
    assert r"- `trestbps` (number) Resting blood pressure \[mm Hg\]" in note
    assert note.index("it predicts") < note.index("- `condition` (integer)")
    assert '"age": [64.0], "sex": [0]' in note
