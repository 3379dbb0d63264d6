"""What the registry knows: versions of models, the datasets they come from, and MLflow's runs of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from regraft_core.contract import Contract

MAX_DIGEST = 36
"""Characters of a dataset's digest that MLflow takes."""


@dataclass(frozen=True)
class Version:
    """A model version. ``uri`` is where its bundle really is, and ends with a slash."""

    number: str
    uri: str
    mlflow_run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return self.tags.get("run_id", "")

    @property
    def data_url(self) -> str | None:
        """Address of the dataset it was trained on."""
        return self.tags.get("data_url")

    @property
    def data_sha256(self) -> str | None:
        """The dataset it was trained on."""
        return self.tags.get("data_sha256")

    @property
    def definition(self) -> str | None:
        """The definition of the task it was trained by."""
        return self.tags.get("definition")

    def is_of(self, data_sha256: str, definition: str) -> bool:
        """Whether it was trained on this dataset by this definition; older versions do not say by which."""
        return self.data_sha256 == data_sha256 and self.definition in (None, definition)

    @property
    def prod_order(self) -> str:
        """Order of the run that put it into service last."""
        return self.tags.get("prod_order", "")

    @property
    def prod_run_id(self) -> str | None:
        """The run that put it into service last."""
        return self.tags.get("prod_run_id")

    @property
    def promoted_at(self) -> datetime | None:
        """When it was put into service last; None where it never was."""
        moment = self.tags.get("promoted_at")
        return datetime.fromisoformat(moment) if moment else None


@dataclass(frozen=True)
class Dataset:
    """The dataset that went into a run."""

    name: str
    sha256: str
    source: str
    rows: int
    contract: Contract

    @property
    def digest(self) -> str:
        """What MLflow tells datasets of one name apart by."""
        return self.sha256[:MAX_DIGEST]


@dataclass(frozen=True)
class Tracking:
    """MLflow's own run of one of our runs, and the model it logs."""

    mlflow_run_id: str
    experiment_id: str
    artifact_uri: str
    model_id: str
    model_uri: str
