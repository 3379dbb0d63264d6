"""The trigger service on real HTTP over a real SQLite file; no worker: the tests play it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from regraft_core.http import BoundedProtocol, HttpLimits
from regraft_core.runs import Run
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_trigger.__main__ import Server
from regraft_trigger.app import create_app
from regraft_trigger.backends.backend import Backend
from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.settings import TriggerSettings
from tests.waiting import PATIENCE, wait_for

DATA_URL = "https://data.example.org/passwords.csv"


@dataclass(frozen=True)
class Running:
    """A service that runs, a client of it, and what it stands on."""

    url: str
    client: httpx.Client
    runs: RunStore
    objects: FileStore
    server: Server

    def accept(self, **fields: Any) -> Run:
        """Trigger a run and return it as the store has it."""
        answer = self.client.post("/trigger", json={"data_url": DATA_URL, **fields})
        assert answer.status_code == 202, answer.text
        run = self.runs.get(answer.json()["run_id"])
        assert run is not None
        return run


Serve = Callable[..., Running]


@contextmanager
def running(folder: Path, backend: Backend | None = None, **settings: Any) -> Iterator[Running]:
    """Run a service in a thread."""
    runs, objects = RunStore(folder / "regraft.db"), FileStore(folder / "bucket")
    known = TriggerSettings(**{"allowed_hosts": ["*"], **settings})
    app = create_app(known, backend or LocalBackend(runs, objects))
    http: Any = partial(BoundedProtocol, limits=HttpLimits.of(known))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5, http=http, ws="none")
    server = Server(config, app.state.service.feed)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            # Without verification the client need not read all certificates; there is no TLS here.
            with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, verify=False) as client:
                wait_for(lambda: server.started)
                yield Running(url, client, runs, objects, server)
        finally:
            server.should_exit = True
            thread.join(timeout=PATIENCE)
            assert not thread.is_alive()
