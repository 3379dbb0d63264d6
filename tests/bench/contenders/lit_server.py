"""LitServe as its documentation has it: ``python lit_server.py PORT MODEL``.

It reads a request by the annotation of ``decode_request``, which has to be a type and no text.
"""

import sys
from typing import Any

import litserve
from same_model import SameModel


class Contender(litserve.LitAPI):  # type: ignore[misc]  # not installed with ours
    """The same model."""

    def setup(self, device: str) -> None:
        """Load it."""
        self.model = SameModel(sys.argv[2])

    def decode_request(self, request: dict[str, Any]) -> dict[str, list[Any]]:
        """Return the columns."""
        columns: dict[str, list[Any]] = request["columns"]
        return columns

    def predict(self, columns: dict[str, list[Any]]) -> list[Any]:
        """Answer one request."""
        answers: list[Any] = self.model.predict(columns)
        return answers

    def encode_response(self, output: list[Any]) -> dict[str, list[Any]]:
        """Return the answer as JSON."""
        return {"predictions": output}


if __name__ == "__main__":
    server = litserve.LitServer(Contender(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
