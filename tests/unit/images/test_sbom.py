from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = {"trigger": "trigger", "pipeline": "pipeline", "predictor": "inference", "mlflow": "mlflow"}


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([sys.executable, ROOT / "scripts/sbom.py", folder], check=True)
    return folder


@pytest.mark.parametrize("image", LOCKS)
def test_every_package_of_the_lock_is_in_the_bill(image: str, bills: Path) -> None:
    lock = (ROOT / f"requirements/{LOCKS[image]}.txt").read_text()
    bill = json.loads((bills / f"{image}.cdx.json").read_text())
    pinned = re.findall(r"^(\S+?)(?:\[.*?\])?==(\S+)", lock, re.MULTILINE)
    assert [(each["name"], each["version"]) for each in bill["components"]] == pinned
    hashes = sum(len(each["externalReferences"]) for each in bill["components"])
    assert hashes == lock.count("--hash=sha256:")
