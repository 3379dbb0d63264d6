"""``python -m regraft_trigger``: the trigger service on uvicorn."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import cast

import uvicorn

from regraft_core.definition import WatchedFolder
from regraft_core.http import KEEP_ALIVE_SECONDS, BoundedProtocol, HttpLimits
from regraft_core.logs import configure_logging
from regraft_core.stores.objects import open_store
from regraft_core.stores.queue import RunStore
from regraft_trigger.app import create_app
from regraft_trigger.backends.backend import Backend
from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.feed import Feed
from regraft_trigger.settings import TriggerSettings

GRACE_SECONDS = 10


class Server(uvicorn.Server):
    """Uvicorn that ends the event streams first when it stops: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self.feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: streams at once, then requests within the time of grace."""
        self.feed.close()
        await super().shutdown(sockets)


def make_backend(settings: TriggerSettings) -> Backend:
    """Return the backend that the settings name."""
    if settings.backend == "argo":
        from regraft_trigger.backends.argo import make_argo_backend  # noqa: PLC0415  (the embedded mode has no Kubernetes)

        return make_argo_backend(settings.max_waiting_runs)
    objects = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    watched = WatchedFolder(settings.tasks_dir) if settings.watch_tasks else None
    return LocalBackend(RunStore(settings.database), objects, most_waiting=settings.max_waiting_runs, watched=watched)


def main() -> None:
    """Serve until a signal ends it."""
    settings = TriggerSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    app = create_app(settings, make_backend(settings))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, limits=HttpLimits.of(settings))),
        ws="none",
    )
    Server(config, app.state.service.feed).run()


if __name__ == "__main__":
    main()
