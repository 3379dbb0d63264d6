"""A real MLflow and a real predictor, started once, and a plant of steps around them for each test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests import plain
from tests.unit.pipeline.judged import (
    heart_incumbent,
    heart_judgement,
    heart_reference,
    incumbent,
    passwords_judgement,
    reference,
    write,
)
from tests.unit.pipeline.plant import Plant

__all__ = [
    "heart_incumbent",
    "heart_judgement",
    "heart_reference",
    "incumbent",
    "passwords_judgement",
    "reference",
    "write",
]

START_SECONDS = 240


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with _process("regraft_cli.embedded.mlflow", "--folder", str(folder), "--port") as url:
        yield url


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def predictor_url(models_dir: Path) -> Iterator[str]:
    arguments = ("--host", "127.0.0.1", "--models_dir", str(models_dir), "--http_port")
    with _process("regraft_inference.server", *arguments) as url:
        yield url


@pytest.fixture
def plant(mlflow_url: str, predictor_url: str, models_dir: Path, tmp_path: Path) -> Plant:
    """Steps with a store and registered models of their own, and nothing in service yet."""
    for left in (path for path in models_dir.iterdir() if path.is_symlink() or path.suffix in (".json", ".lock")):
        left.unlink()
    return Plant(tmp_path, owner=uuid4().hex, mlflow_url=mlflow_url, predictor_url=predictor_url, models_dir=models_dir)


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[str]:
    """Start a server on a free port, which is its last argument, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", module, *arguments, str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(url):
                assert process.poll() is None, f"{module} ended with {process.returncode}"
                assert time.monotonic() < deadline, f"{module} does not answer"
                time.sleep(0.05)
            yield url
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return plain.get(url).is_success
    except httpx.TransportError:
        return False
