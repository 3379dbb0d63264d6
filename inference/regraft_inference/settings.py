"""Settings of the predictor."""

from __future__ import annotations

from pydantic import Field

from regraft_core.settings import CommaSeparated, CoreSettings, HttpSettings


class PredictorSettings(HttpSettings, CoreSettings):
    """What the predictor needs to know besides its command line."""

    default_task: str | None = Field(
        None, description="Task that answers /predict; none: passwords where it is served, else the first"
    )
    fast: bool = Field(True, description="Whether small good requests take the short cut past ASGI")
    max_request_bytes: int = Field(16 << 20, description="Largest request body, bytes")
    max_bytes_in_flight: int = Field(
        64 << 20, description="Most bytes of large request bodies that are held at a time; above: 503"
    )
    cors_origins: CommaSeparated = Field(
        default_factory=list,
        description="Origins whose pages may ask from a browser: https://a.example.com, http://localhost:*; * for all",
    )
    background_bytes: int = Field(32 << 10, description="Bodies above this size are answered off the event loop, bytes")
    drain_seconds: float = Field(
        2.0, description="At the end, how long idle connections may still bring one last request, seconds"
    )
    grace_seconds: int = Field(30, description="At the end, how long open requests may take, seconds")
    fit_port: int = Field(
        8090, ge=0, le=65535, description="Port at which the counts of requests are told to the trigger service"
    )
    fit_linger_seconds: float = Field(
        0.0, ge=0, description="At the end, how long the last counts wait for who collects them, seconds"
    )
