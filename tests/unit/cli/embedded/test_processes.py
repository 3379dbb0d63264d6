from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regraft_cli.embedded import processes
from regraft_cli.embedded.processes import Watch, _Call, apart
from regraft_core.errors import RegraftError, TemporaryError
from regraft_pipeline.runner import CancelledError
from tests.unit.cli.embedded import hostile


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Have the server of the processes load once what each of them would load anew."""
    processes._server.set_forkserver_preload([processes.__name__, hostile.__name__])


def call(function: Callable[..., Any], *arguments: Any, seconds: float = 30, **watch: Any) -> Any:
    return _Call(processes._plain, (function, arguments)).result("it", Watch(seconds, **{"memory": 1 << 30} | watch))


def test_what_is_returned_and_raised_comes_back() -> None:
    assert apart("it", hostile.sleep, 0.0, seconds=30) == "slept"
    for temporary in (False, True):
        with pytest.raises(RegraftError, match="as the test wants it") as caught:
            call(hostile.fail, "store_busy", temporary)
        assert (caught.value.code, isinstance(caught.value, TemporaryError)) == ("store_busy", temporary)
    with pytest.raises(RegraftError, match="ValueError: surprise"):
        call(hostile.surprise)


def test_what_takes_too_long_is_stopped() -> None:
    with pytest.raises(RegraftError) as caught:
        call(hostile.sleep, 60, seconds=0.3)
    assert caught.value.code == "step_timeout"


def test_what_takes_too_much_memory_is_stopped() -> None:
    with pytest.raises(RegraftError) as caught:
        call(hostile.eat, 300 << 20, memory=200 << 20)
    assert caught.value.code == "step_out_of_memory"
    assert "200 MiB" in caught.value.message


def test_what_is_killed_may_be_tried_again() -> None:
    with pytest.raises(TemporaryError, match="signal 9") as caught:
        call(hostile.die)
    assert caught.value.code == "step_killed"


def test_what_is_cancelled_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CANCEL_LOOK_SECONDS", 0.1)
    with pytest.raises(CancelledError):
        call(hostile.sleep, 60, is_cancelled=lambda: True)


def test_what_the_shipped_tasks_need_is_loaded_before_their_steps_begin(tmp_path: Path) -> None:
    """Each step is a process of its own: what it has to load itself is paid again and again."""
    names = ", ".join(processes.PRELOADED)
    code = f"""
import pathlib, sys, {names}
from regraft_pipeline import gates
from regraft_pipeline.tasks import load_task
def packages(modules):
    return {{module.partition(".")[0] for module in modules}}
before = set(sys.modules)
tasks = [load_task(name) for name in ("passwords", "heart-disease")]
for task in tasks:
    task.estimator()
print(packages(set(sys.modules) - before))
path = pathlib.Path("data.csv")
for task in tasks:
    path.write_bytes(task.first_dataset())
    gates.judge(path, task, reference=None, incumbent=None)
print(packages(sys.modules) - packages(before))
"""
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["set()", "set()"]
