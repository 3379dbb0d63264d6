from __future__ import annotations

import io
import socket
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from regraft_cli import main as cli
from regraft_cli import waiting
from regraft_cli.embedded import stack as stacks
from regraft_cli.embedded.stack import Child, Ports, Stack, record_of
from regraft_core.errors import RegraftError
from tests.unit.inference.bundles import write_passwords_bundle
from tests.unit.inference.serving import serving
from tests.waiting import PATIENCE


def child(tmp_path: Path, *arguments: str) -> Child:
    return Child("child", list(arguments), None, tmp_path / "child.log")


def wait_until_dead(started: Child) -> None:
    assert started.process is not None
    started.process.wait(10)


def test_a_port_that_is_in_use_is_told_with_its_option(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RegraftError) as caught:
            Stack(tmp_path, Ports(trigger=0, predict=taken.getsockname()[1], mlflow=0), ["passwords"])
    assert caught.value.code == "port_in_use"
    assert "--predict-port" in caught.value.message


def test_free_ports_are_taken_for_zero(tmp_path: Path) -> None:
    stack = Stack(tmp_path, Ports(trigger=0, predict=0, mlflow=0), ["passwords"])
    assert all(stack.ports.model_dump().values())


def test_nothing_in_the_working_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets.py").write_text('open("EXECUTED", "w").close()')
    monkeypatch.chdir(tmp_path)
    started = child(tmp_path, "secrets")
    started.start()
    wait_until_dead(started)
    assert not (tmp_path / "EXECUTED").exists()


def test_a_child_that_dies_is_started_again_later_each_time(tmp_path: Path) -> None:
    dying = child(tmp_path, "this")  # a module of the standard library that ends at once
    dying.start()
    first = dying.process
    wait_until_dead(dying)
    dying.supervise()
    assert dying.process is None
    assert dying.failures == 1
    deadline = time.monotonic() + PATIENCE
    while dying.process is None and time.monotonic() < deadline:
        dying.supervise()
        time.sleep(0.02)
    assert dying.process is not first
    wait_until_dead(dying)
    dying.supervise()
    assert dying.failures == 2
    assert b"Beautiful is better than ugly." in (tmp_path / "child.log").read_bytes()


def test_nothing_of_the_working_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("this", "secrets", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('of the working folder')\n")
    monkeypatch.chdir(tmp_path)
    careful = child(tmp_path, "this")
    careful.start()
    wait_until_dead(careful)
    assert b"Beautiful is better than ugly." in careful.log.read_bytes()
    assert b"of the working folder" not in careful.log.read_bytes()


def test_a_child_that_dies_for_hours_is_waited_for_no_longer_than_before(tmp_path: Path) -> None:
    dying = child(tmp_path, "this")
    dying.start()
    wait_until_dead(dying)
    dying.failures = 100_000
    dying.supervise()
    assert 0 < dying.start_after - time.monotonic() <= stacks.LONGEST_PAUSE


def test_a_child_that_does_not_end_when_asked_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "STOP_SECONDS", 0.2)
    (tmp_path / "stubborn.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    stubborn = child(tmp_path, "stubborn")
    stubborn.environment = {"PYTHONPATH": str(tmp_path)}
    stubborn.start()
    while b"up" not in stubborn.log.read_bytes():
        time.sleep(0.02)
    stubborn.stop()
    assert stubborn.process is not None
    assert stubborn.process.returncode == -9


def test_a_task_whose_bundle_is_refused_is_told_and_not_waited_for(tmp_path: Path) -> None:
    for task in ("passwords", "heart-disease"):
        write_passwords_bundle(tmp_path / "models" / task, task=task)
    (tmp_path / "models" / "passwords" / "contract.json").write_text("{}")
    stack = Stack(tmp_path, Ports(trigger=0, predict=0, mlflow=0), ["passwords", "heart-disease"])
    stack.children = []
    with serving(tmp_path / "models") as port:
        stack.predict_url = f"http://127.0.0.1:{port}"
        stack.wait_ready(lambda ready: None)
    assert list(stack.broken) == ["passwords"]
    assert "contract.json" in stack.broken["passwords"]


def test_a_first_version_that_takes_long_is_made_while_the_others_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "FIRST_SECONDS", 1.0)
    write_passwords_bundle(tmp_path / "models" / "passwords")
    stack = Stack(tmp_path, Ports(trigger=0, predict=0, mlflow=0), ["passwords", "wide"])
    stack.children = []
    with serving(tmp_path / "models") as port:
        stack.predict_url = f"http://127.0.0.1:{port}"
        stack.wait_ready(lambda ready: None)
        assert stack.late == ["wide"]


def test_a_process_is_waited_for_as_long_as_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "SLOW_SECONDS", 0.0)
    stack = Stack(tmp_path, Ports(trigger=0, predict=0, mlflow=0), [])
    port = stack.ports.mlflow
    slow = child(tmp_path, "http.server", "--bind", "127.0.0.1", str(port))
    slow.health_url = f"http://127.0.0.1:{port}/"
    stack.children = [slow]
    told = io.StringIO()
    try:
        waiting.wait_ready(stack, Console(file=told, width=200))
    finally:
        stack.stop()
    assert slow.deaths == 0
    assert f"child lives and is still starting; its log: {tmp_path / 'child.log'}" in told.getvalue()


def test_a_process_that_dies_again_and_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MOST_DEATHS", 2)
    monkeypatch.setattr(stacks, "STEADY_SECONDS", 0.0)  # however long it lived before
    stack = Stack(tmp_path, Ports(trigger=0, predict=0, mlflow=0), [])
    dying = child(tmp_path, "this")
    dying.health_url = stack.mlflow_url
    stack.children = [dying]
    with pytest.raises(RegraftError, match=r"child died 2 times; not ready: child\n(?s:.*)honking great") as caught:
        stack.wait_ready(lambda ready: None)
    stack.stop()
    assert caught.value.code == "stack_not_ready"


def test_the_record_of_a_stack_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    assert record_of(tmp_path) is None
    (tmp_path / "stack.lock").touch()
    (tmp_path / "stack.json").write_text("{}")
    assert record_of(tmp_path) is None


def damage(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def truncated() -> bytes:
    """Return what is left of a database of which the half is gone."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE runs (document TEXT)")
        db.executemany("INSERT INTO runs VALUES (?)", [("x" * 1000,)] * 100)
        db.commit()
        whole: bytes = db.serialize()
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("regraft.db", b"no database" * 1000),
        ("regraft.db", truncated()),
        ("mlflow/mlflow.db", truncated()),
        ("stack.lock/a", b""),
        ("logs", b"a file"),
        ("models", b"a file"),
        ("bucket", b"a file"),
        ("", b""),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line_with_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    folder = tmp_path / "data"
    if name:
        damage(folder, name, content)
    else:
        folder.write_bytes(b"a file")
    ports = ["--port", "0", "--predict-port", "0", "--mlflow-port", "0"]
    monkeypatch.setenv("REGRAFT_TASKS_DIR", "")  # which the command sets for its children
    monkeypatch.setattr(sys, "argv", ["regraft", "up", "--data", str(folder), "--tasks", str(tmp_path), *ports])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err.replace("\n", "")  # long lines are broken for people
    assert f"storage_unavailable: {folder / name.partition('/')[0]}" in said


def test_a_database_is_read_through_up_to_a_size_and_known_to_be_whole_at_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE runs (document TEXT)")
        db.executemany("INSERT INTO runs VALUES (?)", [("x" * 100,)] * 1000)
        db.commit()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(4096) + whole[middle + 4096 :])
    with pytest.raises(RegraftError, match=r"large\.db"):
        stacks._check_database(path)
    monkeypatch.setattr(stacks, "CHECKED_BYTES", middle)
    stacks._check_database(path)
    for damaged in (whole[:-4096], b"no database" * 100_000):
        path.write_bytes(damaged)
        with pytest.raises(RegraftError, match=r"large\.db"):
            stacks._check_database(path)
