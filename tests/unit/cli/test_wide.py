"""Tables of many columns, and of nothing to learn, as the command line shows them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from regraft_cli.main import app

COLUMNS = 20


def test_many_columns_are_told_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=(60, COLUMNS))
    table = pd.DataFrame(values.round(3), columns=[f"s{number}" for number in range(COLUMNS)])
    table = table.assign(place=["here", "there"] * 30, y=(3 * values[:, 0]).round(2) + table["s1"] / 10)
    table.to_csv(tmp_path / "wide.csv", index=False)
    monkeypatch.setenv("REGRAFT_TASKS_DIR", str(tmp_path / "tasks"))
    monkeypatch.setenv("COLUMNS", "200")
    told = CliRunner().invoke(app, ["init", str(tmp_path / "wide.csv"), "--target", "y"]).stdout
    assert "s0 … s19 (20 columns)" in told
    assert "s7" not in told
    assert "place" in told
    listed = CliRunner().invoke(app, ["tasks", "--data", str(tmp_path), "--url", "http://127.0.0.1:9"]).stdout
    assert "s14 and 6 more" in " ".join(listed.split())


def test_a_table_that_tells_nothing_is_refused_with_each_reason_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame(np.random.default_rng(2).normal(size=(200, 2)).round(3), columns=["x", "y"])
    table.to_csv(tmp_path / "noise.csv", index=False)
    monkeypatch.setenv("COLUMNS", "400")
    arguments = ["init", str(tmp_path / "noise.csv"), "--target", "y", "--tasks", str(tmp_path / "tasks")]
    told = CliRunner().invoke(app, arguments).stdout
    assert "one half held against the other: rejected\n" in told
    assert "bring more or other rows, or edit the file" in told
    assert "\nthen: regraft up" in told
    assert told.count("hardly predicts the others") == 1


def test_of_a_table_that_tells_hardly_anything_less_skill_is_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=3000)
    table = pd.DataFrame({"x": x.round(3), "y": (0.35 * x + rng.normal(size=3000)).round(3)})
    table.to_csv(tmp_path / "weak.csv", index=False)
    arguments = ["init", str(tmp_path / "weak.csv"), "--target", "y", "--tasks", str(tmp_path / "tasks")]
    told = CliRunner().invoke(app, arguments).stdout
    assert "one half held against the other: accepted" in told
    assert "min_skill: 0.0" in (tmp_path / "tasks" / "weak" / "task.yaml").read_text()
