"""Settings that every service shares; each service has one class that extends this one.

All are environment variables with the prefix ``REGRAFT_``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""A list of strings, written as ``a,b,c`` in the environment."""


class CoreSettings(BaseSettings):
    """What all services need to know."""

    model_config = SettingsConfigDict(env_prefix="REGRAFT_", extra="ignore", frozen=True)

    owner: str = Field("regraft", description="Owner in the names of registered models: {owner}-mlops-project-model")
    store_url: str = Field(
        Path("regraft-data/bucket").absolute().as_uri(),
        description="Where objects are kept: s3://BUCKET or file:///FOLDER",
    )
    data_buckets: CommaSeparated = Field(
        default_factory=list,
        description="Buckets (BUCKET or BUCKET/FOLDER, with *) that an s3:// address may name, read as the site itself",
    )
    s3_endpoint_url: str | None = Field(None, description="Address of the S3 server where it is not AWS")
    tasks_dir: Path = Field(Path("tasks"), description="Folder of task files, DIR/*/task.yaml, besides those that ship")
    watch_tasks: bool = Field(False, description="Whether files that come into that folder later are tasks at once")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_human: bool = Field(False, description="Coloured text instead of JSON lines, for a terminal")


class HttpSettings(BaseSettings):
    """What a client may take of a server; both servers have these."""

    max_head_bytes: int = Field(64 << 10, ge=1024, description="Largest request line and headers, bytes; above: 431")
    request_seconds: float = Field(
        60.0,
        gt=0,
        description="How long a request may take to come, seconds, and a body longer by its size: above: 408",
    )
    max_connections: int = Field(4096, ge=1, description="Most connections that are open at a time; above: 503")
