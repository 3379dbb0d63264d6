"""Each image works with the packages of its lock alone, and without what its list drops of them."""

from __future__ import annotations

import functools
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from tests import plain
from tests.unit.inference.bundles import write_heart_bundle, write_passwords_bundle

REQUIREMENTS = Path(__file__).parents[3] / "requirements"

MODULES = {
    "inference": [
        "regraft_inference.server",
        "regraft_inference.estimators.passwords",
        "regraft_inference.storage",
        "boto3",
    ],
    "trigger": [
        "regraft_trigger.__main__",
        "regraft_trigger.backends.argo",
        "regraft_trigger.backends.local",
        "uvloop",
        "httptools",
    ],
    "pipeline": [
        "regraft_pipeline.bootstrap",
        "regraft_cli.main",
        "regraft_pipeline.argo.container",
        "regraft_pipeline.deployers.kserve",
        "regraft_pipeline.report.plots",
        "regraft_pipeline.steps.deploy",
        "regraft_pipeline.steps.download",
        "regraft_pipeline.steps.register",
        "regraft_pipeline.steps.train",
        "regraft_pipeline.steps.validate",
        "regraft_pipeline.tasks.heart_disease",
        "regraft_pipeline.tasks.passwords",
    ],
}

WITHOUT = """
import json, runpy, sys, warnings
from importlib import import_module

class Without:
    def __init__(self, packages, patterns):
        self.packages, self.patterns = set(packages), patterns
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages or any(map(name.startswith, self.patterns)):
            raise ModuleNotFoundError(f"the image has no {name}", name=name)

absent, patterns, modules, arguments = json.loads(sys.argv[1])
sys.meta_path.insert(0, Without(absent, patterns))
warnings.simplefilter("ignore")
for module in modules:
    import_module(module)
if arguments:
    sys.argv[1:] = arguments
    import_module(modules[0]).main(arguments)
"""


distributions = functools.cache(packages_distributions)  # it reads the files of all that is installed


def without(image: str, *arguments: str, modules: list[str] | None = None) -> list[str]:
    """Return the command that imports what an image runs, or other modules, in a Python that lacks what it lacks."""
    lock = (REQUIREMENTS / f"{image}.txt").read_text()
    held = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    absent = [
        package
        for package, names in distributions().items()
        if not any((name := _normal(each)) in held or name.startswith("regraft-") for each in names)
    ]
    dropped = REQUIREMENTS / f"{image}.drop"
    lines = dropped.read_text().splitlines() if dropped.exists() else []
    patterns = [line.replace("/[a-z]*", "/").rstrip("*").replace("/", ".") for line in lines if line[0] != "#"]
    return [sys.executable, "-c", WITHOUT, json.dumps([absent, patterns, modules or MODULES[image], arguments])]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("image", ["trigger", "pipeline"])
def test_all_that_runs_can_be_imported(image: str) -> None:
    done = subprocess.run(without(image), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_absent_is_absent() -> None:
    done = subprocess.run(without("trigger", modules=["pandas"]), capture_output=True, text=True, check=False)
    assert "the image has no pandas" in done.stderr


@pytest.fixture
def predictor(tmp_path: Path) -> Iterator[str]:
    write_passwords_bundle(tmp_path / "passwords")
    write_heart_bundle(tmp_path / "heart-disease")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--models_dir", str(tmp_path), "--host", "127.0.0.1", "--http_port", str(port)]
    with subprocess.Popen(
        without("inference", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None and not _answers(f"{url}/health"):
                time.sleep(0.1)
            assert process.poll() is None, process.stdout and process.stdout.read().decode()
            yield url
        finally:
            process.terminate()


def test_the_predictor_serves_all_its_protocols(predictor: str) -> None:
    tensor = {"name": "Password", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    posts = {
        "/predict": {"Password": ["a"]},
        "/heart-disease/predict": {"age": [40], "sex": [0], "oldpeak": [0.5]},
        "/v1/models/passwords:predict": {"instances": ["a"]},
        "/v2/models/passwords/infer": {"inputs": [tensor]},
    }
    for path, payload in posts.items():
        assert plain.post(predictor + path, json=payload).is_success, path
    for path in ("/", "/health", "/schema", "/metrics", "/openapi.json", "/v1/models", "/v2", "/v2/health/ready"):
        assert plain.get(predictor + path).is_success, path


def _answers(url: str) -> bool:
    try:
        return plain.get(url).is_success
    except httpx.TransportError:
        return False
