"""BentoML as its documentation has it: ``MODEL=model.json bentoml serve bento_server:Contender``."""

from __future__ import annotations

import os
from typing import Any

import bentoml
from same_model import SameModel


@bentoml.service(workers=1, metrics={"enabled": False})
class Contender:
    """The same model."""

    def __init__(self) -> None:
        self.model = SameModel(os.environ["MODEL"])

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, columns: dict[str, list[Any]]) -> list[Any]:
        """Answer one request."""
        answers: list[Any] = self.model.predict(columns)
        return answers
