"""A server without a bundle, or with one that cannot serve."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from regraft_inference.fit.counter import COUNTERS
from regraft_inference.model import TaskModel, TaskRepository
from tests.unit.inference.asking import Client, client_of, v2
from tests.unit.inference.bundles import (
    sha256_of,
    write_heart_bundle,
    write_passwords_bundle,
)

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


def test_a_server_without_bundles_says_so(tmp_path: Path) -> None:
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    for answer in (client.get("/health"), client.get("/schema"), client.post("/predict", {"Password": ["a"]})):
        assert (answer.status, answer.json["code"]) == (503, "bundle_not_loaded")
        assert answer.served_by == ("none", "none")
        assert answer.headers["retry-after"] == "5"
    assert client.get("/v2/health/ready").status == 503
    assert client.get("/").status == 200
    write_passwords_bundle(tmp_path / "passwords", version="1")
    loaded = client.ask("POST", "/v2/repository/models/passwords/load")
    assert (loaded.status, loaded.json) == (200, {"name": "passwords", "load": True})
    assert loaded.served_by == ("1", sha256_of("1"))
    assert client.post("/passwords/predict", {"Password": ["a"]}).status == 200
    client.runner.close()


def test_a_bundle_of_another_task_is_never_asked(tmp_path: Path) -> None:
    write_heart_bundle(tmp_path / "passwords", version="4711")
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    assert client.get("/passwords/health").json["code"] == "bundle_of_another_task"
    assert "4711" not in {counter.known.version for counter in COUNTERS.all()}  # nothing is counted for it
    client.runner.close()


def test_a_bundle_that_fails_its_golden_requests_is_never_asked(tmp_path: Path) -> None:
    folder = write_passwords_bundle(tmp_path / "bundle")
    spoil_golden(folder)
    repository = TaskRepository()
    repository.add(TaskModel("passwords", folder))
    client = client_of(repository)
    for answer in (
        client.get("/health"),
        client.get("/passwords/health"),
        client.get("/v2/models/passwords/ready"),
        client.post("/predict", {"Password": ["a"]}),
        client.post("/v1/models/passwords:predict", {"instances": ["a"]}),
        client.post("/v2/models/passwords/infer", v2()),
    ):
        assert (answer.status, answer.json["code"]) == (503, "golden_mismatch")
    assert client.ask("POST", "/v2/repository/models/passwords/load").status == 404
    client.runner.close()


def spoil_golden(folder: Path) -> None:
    """Change a golden answer, and the checksum with it, as a trainer would have that answered differently."""
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["answers"][3] += 1
    (folder / "golden.json").write_text(json.dumps(golden))
    rewrite_checksum(folder, "golden.json")


def rewrite_checksum(folder: Path, name: str) -> None:
    checksums = json.loads((folder / "checksums.json").read_bytes())
    checksums[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "checksums.json").write_text(json.dumps(checksums))


@pytest.mark.parametrize(("name", "code"), [("nobody", "task_unknown"), ("n" * 5000, "path_unknown")])
def test_asking_for_a_task_that_is_not_there_leaves_no_trace(
    client: Client, name: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.ask("POST", f"/v2/repository/models/{name}/load")
    assert (answer.status, answer.json["code"]) == (404, code)
    assert name.encode() not in client.get("/metrics").body
    assert not caplog.records
