"""mosec as its documentation has it: ``MODEL=model.json python mosec_server.py --port PORT``."""

from __future__ import annotations

import os
from typing import Any

from mosec import Server, Worker
from same_model import SameModel


class Contender(Worker):  # type: ignore[misc]  # not installed with ours
    """The same model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = SameModel(os.environ["MODEL"])

    def forward(self, data: dict[str, Any]) -> dict[str, list[Any]]:
        """Answer one request."""
        return {"predictions": self.model.predict(data["columns"])}


if __name__ == "__main__":
    server = Server()
    server.append_worker(Contender, num=1)
    server.run()
