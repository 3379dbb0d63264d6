from datetime import UTC, datetime, timedelta

from regraft_core import layout


def test_keys_are_where_the_design_says() -> None:
    assert layout.raw_dataset("ab") == "datasets/ab/raw.csv"
    assert layout.verdict("run-a") == "runs/run-a/verdict.json"
    assert layout.report("run-a") == "runs/run-a/report.html"
    assert layout.training("run-a") == "runs/run-a/training.json"
    assert layout.record("run-a") == "runs/run-a/record.json"
    assert layout.bundle("run-a") == "runs/run-a/bundle/"
    assert layout.golden("run-a") == "runs/run-a/bundle/golden.json"
    assert layout.step_result("run-a", "train") == "runs/run-a/train.json"
    assert layout.reference("passwords") == "reference/passwords.json"
    assert layout.serving("passwords") == "serving/passwords.json"


def test_the_history_lists_the_run_accepted_last_first() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    moments = [noon, noon + timedelta(microseconds=1), noon + timedelta(days=9)]
    keys = [layout.history(moment, "passwords", f"run-{number}") for number, moment in enumerate(moments)]
    assert [layout.run_of(key) for key in sorted(keys)] == ["run-2", "run-1", "run-0"]
    assert {layout.task_of(key) for key in keys} == {"passwords"}
