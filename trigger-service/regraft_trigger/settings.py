"""Settings of the trigger service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from regraft_core.settings import CommaSeparated, CoreSettings, HttpSettings


class TriggerSettings(HttpSettings, CoreSettings):
    """What the trigger service needs to know."""

    backend: Literal["local", "argo"] = Field("local", description="What runs the runs: the embedded worker, or Argo")
    database: Path = Field(Path("regraft-data/regraft.db"), description="Local backend: SQLite file of the runs")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    tasks: CommaSeparated = Field(
        default_factory=lambda: ["passwords", "heart-disease"],
        min_length=1,
        description="Names of the tasks that are accepted; the first is the default",
    )
    trigger_token: SecretStr | None = Field(
        None, min_length=1, description="Bearer token that every POST must carry; none: no token is asked for"
    )
    root_path: str = Field(
        "",
        pattern=r"^((/[A-Za-z0-9._~-]+)+)?$",
        description="Path prefix under which a proxy shows the service, such as /regraft, whether it strips it or not",
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Addresses of the proxies whose X-Forwarded-Proto is believed; * for all"
    )
    predictor_url: str | None = Field(
        None,
        description="Predictor's address, {task} in it is replaced: for traffic and the try-it box of the page",
    )
    mlflow_public_url: str | None = Field(None, description="MLflow's address in a browser, for links")
    max_waiting_runs: int = Field(
        1000, ge=1, description="Most runs of a task that may wait for their turn; a trigger more is answered 503"
    )
    max_dataset_bytes: int = Field(1 << 30, description="Largest dataset that is taken as the body of a trigger, bytes")
    max_uploads: int = Field(4, ge=1, description="How many datasets are received at a time")
    max_body_bytes: int = Field(64 * 1024, description="Largest request body, bytes")
    heartbeat_seconds: float = Field(15.0, gt=0, description="Longest silence of the event stream")
