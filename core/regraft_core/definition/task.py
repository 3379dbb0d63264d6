"""The model of ``task.yaml``: what is predicted from what, and how it is judged."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePosixPath
from string import Formatter
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from regraft_core.addresses import redacted, s3_parts
from regraft_core.contract import Column, ColumnType, Contract
from regraft_core.definition.gates import GateSettings
from regraft_core.definition.requests import RequestSettings

API_VERSION = "regraft.dev/v1"
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
"""Names of tasks: parts of addresses, and of names of objects in a cluster."""

RESERVED = frozenset(
    (
        *("docs", "events", "fit", "health", "invocations", "metrics", "page", "ping", "predict", "ready", "rollback"),
        *("runs", "schema", "static", "tasks", "trigger", "v1", "v2", "version"),
        *("mlflow", "regraft", "regraft-trigger"),
    )
)
"""Names that are taken: of paths beside /{task}/..., and of objects of Regraft's own."""

NAME_NEEDS = "lower-case letters, digits and hyphens are needed, a letter first, at most 40"
"""What a name has to be, for people."""

Problem = Literal["classification", "regression"]
Metric = Literal["recall", "roc_auc", "accuracy", "log_loss", "brier", "skill", "mae", "rmse", "rmsle"]

METRICS: dict[Problem, tuple[Metric, ...]] = {
    "classification": ("recall", "roc_auc", "accuracy", "log_loss", "brier", "skill"),
    "regression": ("skill", "mae", "rmse", "rmsle"),
}
"""Metrics by problem, the one that is taken by default first."""


def name_trouble(name: str) -> str | None:
    """Return why no task can have a name, None where one can."""
    if not re.fullmatch(NAME_PATTERN, name):
        return f"a task cannot be named {name[:100]!r}: {NAME_NEEDS}"
    if name in RESERVED:
        return f"a task cannot be named {name!r}: that is an address or an object of Regraft's own"
    return None


class ColumnDefinition(Column):
    """One column of the file. The order of the columns is that of a request's rows."""

    role: Literal["feature", "ignored"] = Field("feature", description="ignored: may be there, and is left aside")
    type: ColumnType = Field("text", description="What the values are; needed of every column that is not ignored")

    @model_validator(mode="after")
    def _says_its_type(self) -> Self:
        if self.role == "feature" and "type" not in self.model_fields_set:
            raise ValueError(f"column {self.name!r} needs a type, or 'role: ignored'")
        if self.role == "ignored" and (more := self.model_fields_set - {"name", "role", "description", "type"}):
            raise ValueError(f"column {self.name!r} is ignored; {', '.join(sorted(more))} would mean nothing")
        if self.role == "ignored":
            return self
        if (lengths := self.model_fields_set & {"min_length", "max_length"}) and not self.is_open:
            raise ValueError(f"column {self.name!r}: {min(lengths)} is for texts and for strings without categories")
        if self.trend and not (self.is_number or self.is_time):
            raise ValueError(f"column {self.name!r}: trend is for numbers and dates, not for type {self.type}")
        return self

    def column(self) -> Column:
        """Return the column of a contract."""
        return Column.model_validate(self.model_dump(exclude={"role"}, exclude_unset=True))


class TaskDefinition(BaseModel):
    """A task: what is predicted from what. One file, ``task.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, title="Regraft task")

    api_version: Literal["regraft.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Task"]
    name: str = Field(
        pattern=NAME_PATTERN, description="In addresses, labels and settings: lower-case letters, digits, hyphens"
    )
    description: str = Field("", description="What the task is for, in a sentence")
    target: str = Field(description="Name of the column that is predicted")
    problem: Problem | None = Field(
        None, description="By default classification for labels, booleans and codes, else regression"
    )
    columns: tuple[ColumnDefinition, ...] = Field(min_length=2, description="All columns of a dataset")
    extra_columns: Literal["refuse", "ignore"] = Field(
        "refuse", description="What becomes of columns that a file has besides"
    )
    estimator: str = Field("auto", description="auto, additive, boosted, or one that a package offers by entry point")
    metric: Metric | None = Field(None, description="What models are compared by; by default what suits the problem")
    gates: GateSettings = Field(default_factory=GateSettings, description="Thresholds that differ from the defaults")
    requests: RequestSettings = Field(
        default_factory=RequestSettings, description="Which rows that are asked are kept; by default none"
    )
    source: str | None = Field(
        None, description="Address that always has the newest data: http, https, or s3; without a secret"
    )
    retrain_when: Literal["unfit"] | None = Field(
        None, description="unfit: the source is run where what serves has been unfit for an hour; none: never by itself"
    )
    reference: str = Field("reference.csv", description="The dataset that new ones are held against, beside this file")
    registered_model: str = Field("{owner}-{task}", description="Name in the registry; {owner} and {task} are replaced")
    max_request_rows: StrictInt = Field(10_000, ge=1, description="Most rows of one request")

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if trouble := name_trouble(value):
            raise ValueError(trouble)
        return value

    @field_validator("registered_model")
    @classmethod
    def _can_be_filled_in(cls, value: str) -> str:
        try:
            asked = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
        except ValueError:
            asked = {value}
        if asked - {"owner", "task"}:
            raise ValueError("only {owner} and {task} can be replaced")
        if not value.strip() or set(value) & set("/:"):
            raise ValueError("registered_model is a name without '/' and ':', such as {owner}-{task}")
        return value

    @field_validator("reference")
    @classmethod
    def _is_beside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if not path.name or path.is_absolute() or ".." in path.parts or "\\" in value:
            raise ValueError(f"reference {value!r} is no file beside this one, such as reference.csv")
        return value

    @field_validator("source")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not (all(s3_parts(value)) or (parts.scheme in ("http", "https") and parts.hostname)):
            raise ValueError("the source must begin with http:// or https:// and name a host, or be s3://BUCKET/KEY")
        if redacted(value) != value:
            raise ValueError("the source must carry no secret, for the file is no secret; s3://BUCKET/KEY needs none")
        return value

    @model_validator(mode="after")
    def _has_what_is_run(self) -> Self:
        if self.retrain_when is not None and self.source is None:
            raise _wrong("retrain_when needs a source: the address that always has the newest data", "retrain_when")
        return self

    @model_validator(mode="after")
    def _can_be_learned(self) -> Self:
        names = [column.name for column in self.columns]
        if doubled := [index for index, name in enumerate(names) if name in names[:index]]:
            raise _wrong(f"column {names[doubled[0]]!r} is there twice", "columns", doubled[0])
        target = next((column for column in self.columns if column.name == self.target), None)
        if target is None:
            raise _wrong(f"the target {self.target!r} is none of the columns{nearest(self.target, names)}", "target")
        if target.role == "ignored":
            message = f"the target {self.target!r} is an ignored column: give it a type instead of 'role: ignored'"
            raise _wrong(message, "columns", names.index(self.target))
        if all(column.role == "ignored" or column is target for column in self.columns):
            raise _wrong(f"no column is left that could tell of the target {self.target!r}", "columns")
        try:
            classes = self.contract().classes
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise _wrong(message, "columns", names.index(self.target)) from None
        if classes is not None and len(classes) < 2:
            message = f"the target {self.target!r} has one category only: there is nothing to learn"
            raise _wrong(message, "columns", names.index(self.target))
        if self.problem == "classification" and classes is None:
            raise _wrong(f"classification needs to know the classes: name the categories of {self.target!r}", "problem")
        if self.problem == "regression" and not target.is_number:
            raise _wrong(f"the target {self.target!r} is no number: the problem is classification", "problem")
        if self.metric is not None and self.metric not in METRICS[self.problem_type]:
            known = ", ".join(METRICS[self.problem_type])
            raise _wrong(f"metric {self.metric!r} is not one of {self.problem_type}; there are: {known}", "metric")
        return self

    @property
    def problem_type(self) -> Problem:
        """Classification or regression, as the file says or as the target suggests."""
        if self.problem is not None:
            return self.problem
        return "regression" if self.contract().classes is None else "classification"

    def contract(self) -> Contract:
        """Return the contract."""
        features = [column for column in self.columns if column.role == "feature" and column.name != self.target]
        return Contract(
            task=self.name,
            features=tuple(column.column() for column in features),
            target=next(column for column in self.columns if column.name == self.target).column(),
            ignored=tuple(column.name for column in self.columns if column.role == "ignored"),
            extra_columns=self.extra_columns,
            max_request_rows=self.max_request_rows,
        )

    def plain(self) -> dict[str, Any]:
        """Return the file's content without what is said by default anyway."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @property
    def newest(self) -> str | None:
        """The address that is run where what serves is unfit, None where nothing is."""
        return self.source if self.retrain_when == "unfit" else None

    @property
    def hash(self) -> str:
        """What tells two definitions apart: SHA-256 over all that differs from the defaults and makes a version."""
        beside = {"source", "retrain_when"}
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=beside)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is nearest, as the end of a message; where none is near, all of them."""
    choices = list(known)
    near = alike(word, choices)
    return f"; there are: {', '.join(choices)}" if near is None else f"; did you mean {near!r}?"


def alike(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is nearest, None where none is near."""
    choices = {one.lower(): one for one in known}
    close = get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return choices[close[0]] if close else None


def _wrong(message: str, *path: str | int) -> PydanticCustomError:
    """Return the error of something that is wrong at a place of the file."""
    return PydanticCustomError("misplaced", "{message}", {"message": message, "path": list(path)})


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``task.yaml``, for editors."""
    schema = TaskDefinition.model_json_schema(by_alias=True)
    column = schema["$defs"]["ColumnDefinition"]
    column["anyOf"] = [{"required": ["type"]}, {"properties": {"role": {"const": "ignored"}}, "required": ["role"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
