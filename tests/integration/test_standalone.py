"""The predictor alone, as its image starts it: the bundle from S3 by environment variables, example requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from regraft_core.errors import BundleError, RegraftError
from regraft_inference.storage import fetch
from tests import plain
from tests.integration.test_predictor import Predictor, running
from tests.unit.inference.bundles import write_heart_bundle
from tests.waiting import PATIENCE

BUCKET = "models"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A bucket with a bundle at ``team/heart``; what is yielded are the settings that lead there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    bundle = write_heart_bundle(tmp_path_factory.mktemp("bundle"), version="7")
    for path in bundle.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), BUCKET, f"team/heart/{path.relative_to(bundle)}")
    client.put_object(Bucket=BUCKET, Key="team/heart/estimator/", Body=b"")  # a folder, as consoles make them
    client.put_object(Bucket=BUCKET, Key="team/heart-of-others/bundle.json", Body=b"{}")
    client.put_object(Bucket=BUCKET, Key="hostile/../../bundle.json", Body=b"{}")
    client.put_object(Bucket=BUCKET, Key="absolute//tmp/bundle.json", Body=b"{}")
    yield settings
    server.stop()


@pytest.fixture
def in_environment(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def predictor(s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    environment = s3 | {"STORAGE_URI": f"s3://{BUCKET}/team/heart/"}
    log = tmp_path_factory.mktemp("standalone") / "log"
    with running(log, module="regraft_inference", environment=environment) as predictor:
        yield predictor


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "regraft_inference.client", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_a_bundle_in_s3_is_served_as_the_task_that_it_names(predictor: Predictor) -> None:
    health = plain.get(f"{predictor.url}/health")
    assert health.status_code == 200, health.text
    (model,) = health.json()["models"]
    assert (model["task"], model["version"]) == ("heart-disease", "7")
    for path in ("/predict", "/heart-disease/predict"):
        answer = plain.post(f"{predictor.url}{path}", json={"age": [40, 60], "sex": [0, 1], "oldpeak": [0.5, 2.5]})
        assert answer.json() == {"condition": [0, 1]}


def test_the_example_requests_are_made_from_the_schema_and_answered(predictor: Predictor) -> None:
    done = ask(predictor.url, "--rows", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"POST {predictor.url}/predict"
    assert json.loads(lines[1]).keys() == {"age", "sex", "oldpeak"}
    assert lines[2] == "200, version 7"
    assert len(json.loads(lines[3])["condition"]) == 2
    assert lines[6] == "400, version 7"
    assert json.loads(lines[7])["column"] == "age"


def test_a_request_of_ones_own_is_sent_from_a_file(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text('{"age": [40], "sex": [0]}')
    done = ask(predictor.url, "--task", "heart-disease", "--file", str(tmp_path / "request.json"))
    assert done.returncode == 1
    assert '"column_missing"' in done.stdout


def test_what_has_no_schema_is_told(predictor: Predictor) -> None:
    done = ask(predictor.url, "--task", "houses")
    assert done.returncode == 1
    assert "does not tell its contract" in done.stderr


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (f"s3://{BUCKET}/team/nothing", "bundle_missing"),
        (f"s3://{BUCKET}/hostile", "bundle_foreign_file"),
        (f"s3://{BUCKET}/absolute", "bundle_foreign_file"),
        (f"s3://{BUCKET}", "setting_invalid"),
        ("gs://models/team/heart", "setting_invalid"),
    ],
)
def test_an_address_that_holds_no_bundle_is_refused(uri: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(RegraftError) as caught:
        fetch(uri, tmp_path)
    assert caught.value.code == code


@pytest.mark.usefixtures("in_environment")
def test_only_the_folder_itself_is_fetched(tmp_path: Path) -> None:
    fetch(f"s3://{BUCKET}/team/heart", tmp_path)
    assert (tmp_path / "estimator").is_dir()
    assert json.loads((tmp_path / "bundle.json").read_text())["task"] == "heart-disease"


def test_a_start_without_a_bundle_ends_with_the_reason(s3: dict[str, str]) -> None:
    environment = os.environ | s3 | {"STORAGE_URI": f"s3://{BUCKET}/team/nothing"}
    command = [sys.executable, "-m", "regraft_inference"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == BundleError.exit_code
    assert "bundle_missing" in done.stdout + done.stderr
