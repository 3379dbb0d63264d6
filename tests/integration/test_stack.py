"""The embedded stack as a whole: starting it twice, losing a part of it, stopping it, runs from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner, Result

from regraft_cli import main as cli
from tests import plain
from tests.checker.stack import Stack
from tests.integration.conftest import Poster
from tests.proofs import some
from tests.waiting import PATIENCE

REGRAFT = str(Path(sys.executable).with_name("regraft"))


def regraft(*arguments: str) -> Result:
    """Call the command line in this process: starting another takes longer than most commands."""
    return CliRunner().invoke(cli.app, arguments)


def up(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [REGRAFT, "up", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)


def record(stack: Stack) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((stack.folder / "stack.json").read_text())
    return content


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_second_start_on_the_same_folder_is_refused(stack: Stack) -> None:
    second = up("--data", str(stack.folder), "--port", "0", "--predict-port", "0", "--mlflow-port", "0")
    assert second.returncode == 1
    assert second.stderr.startswith("stack_running:")


def test_a_taken_port_is_told(stack: Stack, tmp_path: Path) -> None:
    taken = up("--data", str(tmp_path), "--port", str(stack.trigger_port))
    assert taken.returncode == 1
    assert taken.stderr.startswith("port_in_use:")


def test_run_uses_the_stack_of_the_folder(stack: Stack, poster: Poster) -> None:
    url = poster.address("good", 901)
    first = regraft("run", url, "--data", str(stack.folder), "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["state"] == "promoted"
    again = regraft("run", url, "--data", str(stack.folder), "--json")
    assert (again.exit_code, json.loads(again.stdout)["state"]) == (0, "unchanged")
    bad = regraft("run", poster.address("drifted", 901), "--data", str(stack.folder))
    assert bad.exit_code == 3
    missing = regraft("run", poster.address("not_found", 901), "--data", str(stack.folder))
    assert missing.exit_code == 1
    assert "source_not_found" in missing.stderr


def test_trigger_runs_watch_and_rollback_speak_to_the_service(
    stack: Stack, poster: Poster, registry: MlflowClient
) -> None:
    url = f"http://127.0.0.1:{stack.trigger_port}"
    versions = []
    for seed in (911, 912):
        done = regraft("trigger", poster.address("good", seed), "--wait", "--json", "--url", url)
        assert done.exit_code == 0, done.output
        versions.append(json.loads(done.stdout)["version"])
    listed = json.loads(regraft("runs", "--url", url, "--json", "--limit", "2").stdout)
    assert [run["version"] for run in listed] == versions[::-1]
    assert regraft("watch", listed[0]["run_id"], "--url", url).exit_code == 0
    assert regraft("rollback", "--yes", "--wait", "--url", url).exit_code == 0
    assert registry.get_registered_model("regraft-mlops-project-model").aliases["prod"] == versions[0]


@pytest.mark.parametrize("name", some(["worker", "trigger", "predictor", "mlflow"], short=["trigger"]))
def test_a_part_that_is_killed_comes_back(stack: Stack, poster: Poster, name: str) -> None:
    killed = record(stack)["children"][name]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while record(stack)["children"].get(name) in (None, killed):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stack.wait_ready(timeout=PATIENCE)
    assert poster.run("good", 920 + len(name)).state == "promoted"


def test_the_processes_end_with_their_parent_and_in_order(stack: Stack, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [REGRAFT, "up", "--data", str(tmp_path), "--port", "0", "--predict-port", "0", "--mlflow-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "stack.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = json.loads((tmp_path / "stack.json").read_text())["children"].values()
    parent.kill()
    parent.wait()
    while any(is_alive(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert plain.get(f"http://127.0.0.1:{stack.predict_port}/health").is_success
