"""KServe's ``ModelServer`` as its documentation has it: ``python kserve_server.py PORT [MODEL.joblib]``.

Without a model it answers 0 for each instance.
"""

from __future__ import annotations

import sys
from typing import Any

import joblib
from kserve import Model, ModelServer


class Contender(Model):  # type: ignore[misc]  # kserve has no types
    """The reference model, or an empty one."""

    def __init__(self, path: str | None) -> None:
        super().__init__("reference")
        self.model = joblib.load(path) if path else None
        self.ready = True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Answer V1."""
        instances = payload["instances"]
        if self.model is None:
            return {"predictions": [0.0] * len(instances)}
        return {"predictions": self.model.predict(instances).tolist()}


if __name__ == "__main__":
    port, *path = sys.argv[1:]
    ModelServer(http_port=int(port), enable_grpc=False, workers=1).start([Contender(path[0] if path else None)])
