"""Settings of the pipeline's steps and of the embedded worker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from regraft_core.settings import CommaSeparated, CoreSettings


class PipelineSettings(CoreSettings):
    """What the steps need to know."""

    mlflow_tracking_uri: str = Field(
        "http://127.0.0.1:5000", description="MLflow server; user and password may stand in it"
    )
    mlflow_public_url: str | None = Field(None, description="MLflow's address in a browser, for links")
    public_url: str | None = Field(
        None, description="Address of the trigger service and its page in a browser, for links back from MLflow"
    )
    allow_private_hosts: CommaSeparated = Field(
        default_factory=list,
        description="Hosts (a.b.c, *.b.c, 10.0.*, 10.0.0.0/8, *) that a data_url may name although they are private",
    )
    ca_file: Path | None = Field(
        None,
        description="Certificates (PEM) of a site's own authorities, for data and MLflow, besides the public ones",
    )
    max_dataset_bytes: int = Field(1 << 30, description="Largest dataset, bytes")
    connect_timeout: float = Field(10.0, description="Seconds to connect to the data's server")
    read_timeout: float = Field(30.0, description="Seconds between two packets of the data")
    download_timeout: float = Field(900.0, description="Seconds for the whole download, retries included")
    download_attempts: int = Field(
        6, ge=1, description="How often in a row a download may fail; a server that asks for time has DOWNLOAD_TIMEOUT"
    )
    data_proxy: str | None = Field(
        None,
        description="Proxy for datasets: its address, or env for HTTP_PROXY and HTTPS_PROXY; NO_PROXY counts for both",
    )
    deployer: Literal["local", "kserve"] = Field("local", description="Where versions are served")
    predictor_url: str = Field(
        "http://127.0.0.1:8080", description="Predictor's address; {task} is replaced by the task's name"
    )
    models_dir: str = Field(
        "regraft-data/models", description="Embedded: folder of links to the bundles that serve, one a task"
    )
    namespace: str = Field("regraft", description="KServe: namespace of the InferenceServices")
    deploy_timeout: float = Field(300.0, description="Seconds in which a new version must stand")
    keep_versions: int = Field(
        20, ge=1, description="Pruning: newest versions of a task that are kept besides what serves or is pinned"
    )
    keep_run_days: int = Field(
        90, ge=1, description="Pruning: days that a run is kept from which no kept version came, with its dataset"
    )
    deploy_proofs: int = Field(5, description="Answers in a row that must come from the new version")


class WorkerSettings(PipelineSettings):
    """What the embedded worker needs to know besides."""

    database: Path = Field(Path("regraft-data/regraft.db"), description="SQLite file of the runs")
    step_seconds: float | None = Field(
        None, gt=0, description="Seconds after which a step is stopped; none: as on Kubernetes, ten minutes to an hour"
    )
    step_memory_bytes: int = Field(4 << 30, gt=0, description="Most memory that a step may hold; then it is stopped")
    tasks: CommaSeparated = Field(
        default_factory=lambda: ["passwords", "heart-disease"], description="Names of the tasks that are worked for"
    )
    step_attempts: int = Field(5, description="How often a step is tried where what failed can pass by itself")
