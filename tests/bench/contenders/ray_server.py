"""Ray Serve as its documentation has it: ``python ray_server.py PORT MODEL``."""

from __future__ import annotations

import signal
import sys
from typing import Any

import ray
from ray import serve
from same_model import SameModel
from starlette.requests import Request


class Contender:
    """The same model."""

    def __init__(self, path: str) -> None:
        self.model = SameModel(path)

    async def __call__(self, request: Request) -> dict[str, list[Any]]:
        """Answer one request."""
        return {"predictions": self.model.predict((await request.json())["columns"])}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"working_dir": None})
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    deployment = serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.5})(Contender)
    serve.run(deployment.bind(sys.argv[2]), route_prefix="/")
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    ray.shutdown()
