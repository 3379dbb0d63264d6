"""A predictor on a port of its own, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import uvicorn

from regraft_inference.app import Front
from regraft_inference.model import TaskRepository
from regraft_inference.server import protocol_of
from regraft_inference.settings import PredictorSettings


@contextmanager
def serving(models_dir: Path, *, fast: bool = True, **settings: Any) -> Iterator[int]:
    """Serve the bundles of a folder, with the short cut or without, and lend the port."""
    known = PredictorSettings(fast=fast, **settings)
    repository = TaskRepository(models_dir=models_dir)
    repository.load_all()
    front = Front(repository, known)
    config = uvicorn.Config(
        front,
        host="127.0.0.1",
        port=0,
        http=protocol_of(front, known),  # type: ignore[arg-type]
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
