"""What is pulled works where nothing of Regraft is: a fresh environment, requirements, plain MLflow."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft_pipeline import api
from regraft_pipeline.taking import package
from regraft_pipeline.tasks import passwords
from tests.seals import ROWS, TASK, seals
from tests.uv import UV

WIDER = TASK.replace(
    "  - {name: length, type: number}\n",
    "  - {name: length, type: number, unit: cm, nullable: true}\n"
    "  - {name: seen, type: date}\n"
    "  - {name: coast, type: string, categories: [east, west]}\n",
)

ASK = """
import json, sys
import mlflow, pandas
import regraft_inference
assert "site-packages" in regraft_inference.__file__
for place, csv in zip(sys.argv[1::2], sys.argv[2::2]):
    frame = pandas.read_csv(csv, keep_default_na=False, na_values={"length": [""]})
    print(json.dumps(mlflow.pyfunc.load_model(place).predict(frame).to_dict(orient="list")))
"""


def seen(seed: int) -> pd.DataFrame:
    """Return seals of which more is known than their length, and of some not even that."""
    rng = np.random.default_rng(seed)
    frame = seals(seed)
    days = np.datetime64("2025-01-01") + rng.integers(0, 300, ROWS)
    return pd.DataFrame({
        "length": frame["length"].mask(rng.random(ROWS) < 0.1),
        "seen": days.astype(str),
        "coast": np.array(["east", "west"])[rng.integers(0, 2, ROWS)],
        "kind": frame["kind"],
    })  # fmt: skip


def pulled(model: Path, folder: Path) -> Path:
    """Return what ``regraft pull`` writes of a model."""

    def copy(home: Path) -> None:
        shutil.copytree(model, home)

    package(copy, folder)
    return folder


@pytest.mark.long
@pytest.mark.timeout(600)
def test_pulled_bundles_answer_the_same_where_nothing_of_regraft_is(tmp_path: Path) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(WIDER)
    (tmp_path / "reference.csv").write_text("length,seen,coast,kind\n")
    models = {
        "seals": (api.train(seen(1), task, tmp_path / "seals-model"), seen(2).drop(columns="kind")),
        "passwords": (
            api.train(passwords.bootstrap(), "passwords", tmp_path / "passwords-model"),
            passwords.generate(3, 50).drop(columns="Times"),
        ),
    }
    asked: list[str] = []
    for name, (_, frame) in models.items():
        home = pulled(tmp_path / f"{name}-model", tmp_path / name)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        asked += [str(home / "model"), str(tmp_path / f"{name}.csv")]
    python = tmp_path / "fresh" / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", str(tmp_path / "fresh")], check=True)
    install = [UV, "pip", "install", "--quiet", "--python", str(python), "--requirement", "requirements.txt"]
    subprocess.run(install, check=True, cwd=tmp_path / "seals")
    told = subprocess.run(
        [str(python), "-P", "-c", ASK, *asked], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    for line, (model, frame) in zip(told.stdout.splitlines(), models.values(), strict=True):
        assert json.loads(line) == json.loads(json.dumps(model.predict(frame).to_dict(orient="list")))
