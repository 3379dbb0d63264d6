from regraft.core import layout


def test_keys_are_where_the_design_says() -> None:
    assert layout.raw_dataset("ab") == "datasets/ab/raw.csv"
    assert layout.verdict("run-a") == "runs/run-a/verdict.json"
    assert layout.report("run-a") == "runs/run-a/report.html"
    assert layout.record("run-a") == "runs/run-a/record.json"
    assert layout.bundle("run-a") == "runs/run-a/bundle/"
    assert layout.step_result("run-a", "train") == "runs/run-a/train.json"
    assert layout.reference("passwords") == "reference/passwords.json"
    assert layout.serving("passwords") == "serving/passwords.json"
