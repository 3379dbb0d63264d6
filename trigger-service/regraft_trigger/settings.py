"""Settings of the trigger service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from regraft_core.settings import CommaSeparated, CoreSettings, HttpSettings


def _sendable(value: object) -> object:
    """A token goes into a header: a line's end behind it is none of it, and no other sign may be in it."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    text = text.strip()
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a token has one or more visible ASCII characters and no blanks: others cannot be sent")
    return text


Token = Annotated[SecretStr, BeforeValidator(_sendable)]


class TriggerSettings(HttpSettings, CoreSettings):
    """What the trigger service needs to know."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # tokens

    backend: Literal["local", "argo"] = Field("local", description="What runs the runs: the embedded worker, or Argo")
    database: Path = Field(Path("regraft-data/regraft.db"), description="Local backend: SQLite file of the runs")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    tasks: CommaSeparated = Field(
        default_factory=lambda: ["passwords", "heart-disease"],
        min_length=1,
        description="Names of the tasks that are accepted; the first is the default",
    )
    trigger_token: Token | None = Field(
        None, description="Bearer token that every POST must carry; none: no token is asked for"
    )
    read_token: Token | None = Field(
        None, description="Bearer token (or the other one) that all but health, ready, metrics need; none: all may read"
    )
    allowed_hosts: CommaSeparated = Field(
        default_factory=lambda: ["localhost", "*.localhost", "127.0.0.1", "::1"],
        description="Names in Host that are answered, with *; others get 403",
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
    fit_urls: CommaSeparated = Field(
        default_factory=list,
        description="Where predictors tell what they have counted; none: the pods of the cluster, at fit_port",
    )
    fit_port: int = Field(8090, description="Port at which the predictors' pods tell what they have counted")
    mlflow_public_url: str | None = Field(None, description="MLflow's address in a browser, for links")
    max_waiting_runs: int = Field(
        1000, ge=1, description="Most runs of a task that may wait for their turn; a trigger more is answered 503"
    )
    max_dataset_bytes: int = Field(1 << 30, description="Largest dataset that is taken as the body of a trigger, bytes")
    max_uploads: int = Field(4, ge=1, description="How many datasets are received at a time")
    max_body_bytes: int = Field(64 * 1024, description="Largest request body, bytes")
    max_outcomes_bytes: int = Field(8 << 20, description="Largest body that tells what really happened, bytes")
    heartbeat_seconds: float = Field(15.0, gt=0, description="Longest silence of the event stream")
