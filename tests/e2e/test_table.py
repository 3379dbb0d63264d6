"""A table that nobody has seen becomes a task of the cluster and goes again: no image, no restart, no file of ours."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sklearn.datasets import load_wine

from tests.e2e.cluster import eventually, get, kubectl
from tests.e2e.conftest import RUN_SECONDS, URL

CULTIVARS = {0: "barolo", 1: "grignolino", 2: "barbera"}
ROW = {"alcohol": [14.23], "malic_acid": [1.71], "proline": [1065]}

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


def regraft(*arguments: str) -> str:
    """Run the command line of this environment and return what it prints."""
    command = [str(Path(sys.executable).with_name("regraft")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wines of scikit-learn: 178 rows, three labels. What is made of them is gone at the end."""
    folder = tmp_path_factory.mktemp("wine")
    frame = load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map(CULTIVARS)
    # Twice as many rows, each a little different, so that halves are large enough for the gates.
    more = frame.assign(proline=frame["proline"] + 1, alcohol=(frame["alcohol"] + 0.01).round(2))
    for name, rows in (("wine", frame), ("more", more)):
        rows[[*ROW, "target"]].to_csv(folder / f"{name}.csv", index=False)
    regraft("init", str(folder / "wine.csv"), "--target", "target", "--tasks", str(folder / "tasks"))
    yield folder / "tasks/wine/task.yaml"
    kubectl(
        "delete",
        "--ignore-not-found",
        "configmap/regraft-task-wine",
        "inferenceservice/wine",
        "ingress/wine",
        check=False,
    )


@contextmanager
def others_asked() -> Iterator[list[str]]:
    """Ask the predictors of the other tasks all the while; what fails is collected."""
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=URL, timeout=10) as client:
            for path in itertools.cycle(("/passwords/schema", "/heart-disease/schema", "/passwords/health")):
                if stop.is_set():
                    return
                try:
                    answer = client.get(path)
                    if answer.status_code >= 500:
                        failures.append(f"{path}: {answer.status_code}")
                except httpx.HTTPError as error:
                    failures.append(f"{path}: {error!r}")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join()


def shown() -> dict[str, Any]:
    return {each["name"]: each for each in httpx.get(f"{URL}/tasks").json()["tasks"]}


def serving() -> str | None:
    answer = httpx.get(f"{URL}/wine/schema")
    return answer.headers.get("Regraft-Model-Version") if answer.status_code == 200 else None


def test_a_table_comes_learns_goes_back_and_goes(task: Path) -> None:
    images = _images()
    with others_asked() as failures:
        objects = regraft("manifests", str(task))
        kubectl("apply", "--server-side", "--filename", "-", text=objects)
        eventually(lambda: "wine" in shown())

        regraft("trigger", str(task.with_name("reference.csv")), "--task", "wine", "--wait", "--url", URL)
        first = eventually(serving)
        answer = httpx.post(f"{URL}/wine/predict", json=ROW | {"probabilities": True}).raise_for_status().json()
        assert answer["target"] == ["barolo"]
        assert sum(answer["target_probabilities"][0].values()) == pytest.approx(1)
        assert shown()["wine"]["version"] == first

        regraft("trigger", str(task.parents[2] / "more.csv"), "--task", "wine", "--wait", "--url", URL)
        second = eventually(lambda: version if (version := serving()) != first else None)
        regraft("rollback", "--task", "wine", "--yes", "--wait", "--url", URL)
        eventually(lambda: serving() == first)
        assert second != first

        # Applied again it changes nothing that serves.
        kubectl("apply", "--server-side", "--filename", "-", text=objects)
        assert serving() == first

        _broken(objects)
        kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", text=objects)
        eventually(lambda: shown()["wine"]["state"] == "serving")

        kubectl("delete", "--filename", "-", text=objects)
        eventually(lambda: "wine" not in shown())
        refused = httpx.post(f"{URL}/trigger", json={"data_url": "https://a.example/x.csv", "task": "wine"})
        assert refused.json()["code"] == "task_unknown"
        eventually(lambda: not get("deployments", "--selector", "serving.kserve.io/inferenceservice=wine")["items"])

        _comes_back(objects, first)
    assert failures == []
    assert _images() == images


def _broken(objects: str) -> None:
    """A file with a mistake is shown with its line, is not accepted, and goes on serving."""
    wrong = objects.replace("kind: Task", "knd: Task", 1)
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", text=wrong)
    eventually(lambda: shown()["wine"]["state"] == "broken")
    assert "line 2" in shown()["wine"]["reason"]["message"]
    refused = httpx.post(f"{URL}/trigger", json={"data_url": "https://a.example/x.csv", "task": "wine"})
    assert refused.json()["code"] == "task_invalid"
    assert serving() is not None
    assert shown()["passwords"]["state"] == "serving"


def _comes_back(objects: str, version: str | None) -> None:
    """A task that was deleted has its history still: applied again it says what is missing, and what puts it back."""
    kubectl("apply", "--server-side", "--filename", "-", text=objects)
    eventually(lambda: shown().get("wine", {}).get("state") == "broken")
    assert shown()["wine"]["reason"]["code"] == "bundle_missing"
    assert "rollback" in shown()["wine"]["reason"]["message"]
    regraft("rollback", "--task", "wine", "--version", str(version), "--yes", "--wait", "--url", URL)
    eventually(lambda: serving() == version)
    eventually(lambda: shown()["wine"]["state"] == "serving")


def _images() -> set[str]:
    """The images of the pods that stay: KServe gives an agent to a pod that has no model yet."""
    pods = get("pods", "--selector", "app.kubernetes.io/part-of=regraft")["items"]
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {container["image"] for pod in staying for container in pod["spec"]["containers"]}
