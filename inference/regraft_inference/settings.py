"""Settings of the predictor."""

from __future__ import annotations

from pydantic import Field

from regraft_core.settings import CoreSettings, HttpSettings


class PredictorSettings(HttpSettings, CoreSettings):
    """What the predictor needs to know besides its command line."""

    default_task: str | None = Field(
        None, description="Task that answers /predict; none: passwords where it is served, else the first"
    )
    fast: bool = Field(True, description="Whether small good requests take the short cut past ASGI")
    max_request_bytes: int = Field(16 << 20, description="Largest request body, bytes")
    background_bytes: int = Field(32 << 10, description="Bodies above this size are answered off the event loop, bytes")
    drain_seconds: float = Field(
        2.0, description="At the end, how long idle connections may still bring one last request, seconds"
    )
    grace_seconds: int = Field(30, description="At the end, how long open requests may take, seconds")
