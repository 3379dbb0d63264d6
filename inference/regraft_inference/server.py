"""The predictor: KServe's ``ModelServer`` with our application in front of KServe's endpoints.

::

    python -m regraft_inference.server --model_name passwords --model_dir /mnt/models    # one task: KServe starts it so
    python -m regraft_inference.server --models_dir DIR --host 127.0.0.1                 # every DIR/{task}
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from socket import socket
from time import monotonic

import uvicorn
import uvloop
from kserve import ModelServer

from regraft_core.http import KEEP_ALIVE_SECONDS, BoundedProtocol, HttpLimits
from regraft_core.logs import configure_logging, get_logger
from regraft_inference.app import Front
from regraft_inference.exchange import NO_VERSION
from regraft_inference.fast.wire import ShortCutProtocol
from regraft_inference.fit.port import serve_counts
from regraft_inference.model import TaskModel, TaskRepository
from regraft_inference.settings import PredictorSettings

log = get_logger(__name__)

SWITCH_SECONDS = 0.0002
"""How long a thread that works on a large request may keep the event loop waiting for Python's lock."""


def protocol_of(front: Front, settings: PredictorSettings) -> Callable[..., BoundedProtocol]:
    """Return what makes the protocol of a connection. What it refuses by itself no version has seen."""
    limits = HttpLimits.of(settings)
    if not settings.fast:
        return partial(BoundedProtocol, limits=limits, owed_headers=NO_VERSION)
    short = partial(ShortCutProtocol, offer=front.short_cut, most_bytes=settings.background_bytes)
    return partial(short, limits=limits, owed_headers=NO_VERSION)


class DrainingServer(uvicorn.Server):
    """A uvicorn server that ends without losing a request on a connection that was kept open.

    Plain uvicorn closes idle connections at once, although a client may just be sending on one. Here no new connection
    is taken, every answer says that the connection ends with it, and only what stays idle is closed after a while.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drain, then let uvicorn wait for the requests that are still open."""
        for server in self.servers:
            server.close()
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        end = monotonic() + self._drain_seconds
        while self.server_state.connections and monotonic() < end:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


class PredictorServer(ModelServer):  # type: ignore[misc]  # kserve has no types
    """KServe's server without gRPC and without a log line per request."""

    def __init__(self, repository: TaskRepository, settings: PredictorSettings, *, host: str, port: int) -> None:
        super().__init__(
            http_port=port,
            registered_models=repository,
            workers=1,
            enable_grpc=False,
            enable_latency_logging=False,
            grace_period=settings.grace_seconds,
        )
        self._settings = settings
        self._host = host
        self._front = Front(repository, settings)

    def setup_event_loop(self) -> None:
        """Do nothing: KServe would set up a loop that ``asyncio.run`` then does not use."""

    async def _serve(self) -> None:
        """Serve our application with the uvicorn configuration that KServe has made."""
        for start in self.servers:
            start.close()  # KServe's own start, which knows neither host nor application
        config = self._rest_server.config
        config.app = self._front
        config.host = self._host
        config.http = protocol_of(self._front, self._settings)
        config.timeout_keep_alive = KEEP_ALIVE_SECONDS
        config.interface, config.lifespan, config.ws, config.proxy_headers = "asgi3", "off", "none", False
        config.server_header = False
        await DrainingServer(config, self._settings.drain_seconds).serve()


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the bundles and serve until a signal ends it."""
    options = _parser().parse_args(arguments)
    settings = PredictorSettings()
    _configure_logging(settings)
    repository = TaskRepository(models_dir=options.models_dir, default_task=settings.default_task)
    if options.models_dir is None:
        repository.add(TaskModel(options.model_name, options.model_dir))
    else:
        repository.load_all()
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    counts = serve_counts(options.host, settings.fit_port, repository.answers)
    server = PredictorServer(repository, settings, host=options.host, port=options.http_port)
    # What is there now stays: the garbage collector need not go through it while requests wait.
    gc.collect()
    gc.freeze()
    server.start([])  # with models KServe would refuse to start where none is ready; ours are in the repository
    if counts is not None and settings.fit_linger_seconds:
        counts.linger(settings.fit_linger_seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m regraft_inference.server", description=__doc__.partition("\n")[0])
    parser.add_argument("--model_name", default="passwords", help="the task, where there is one")
    parser.add_argument("--model_dir", type=Path, default=Path("/mnt/models"), help="folder of its bundle")
    parser.add_argument("--models_dir", type=Path, help="folder with one bundle for each task, instead of the above")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104  # a container
    parser.add_argument("--http_port", type=int, default=8080, help="port to listen on")
    return parser


def _configure_logging(settings: PredictorSettings) -> None:
    configure_logging(settings.log_level, human=settings.log_human)
    # KServe leaves logging alone only where its logger has a handler.
    logging.getLogger("kserve").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn.access").propagate = False  # no line per request
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # KServe's V1 uses it in each answer


if __name__ == "__main__":
    main()
