"""The contract of a task: what a training CSV must look like and what a request must look like, said once."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ColumnType = Literal["string", "integer", "number"]


PROBABILITIES = "probabilities"
"""Option of a request: answer the probability of the second class, too."""


class Column(BaseModel):
    """One column, the same in training data and in requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: ColumnType
    description: str = ""
    unit: str | None = Field(None, description="Unit of the values, such as mm Hg")
    minimum: float | None = Field(None, description="Smallest value that is allowed")
    maximum: float | None = Field(None, description="Largest value that is allowed")
    categories: tuple[int, ...] | tuple[str, ...] | None = Field(None, description="All values that are allowed")
    min_length: int = Field(1, description="Fewest characters of a string")
    max_length: int = Field(256, description="Most characters of a string")

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of one value."""
        schema: dict[str, Any] = {"type": self.type}
        if self.description or self.unit:
            schema["description"] = f"{self.description} [{self.unit}]" if self.unit else self.description
        if self.categories is not None:
            schema["enum"] = list(self.categories)
        elif self.type == "string":
            schema |= {"minLength": self.min_length, "maxLength": self.max_length}
        else:
            limits = {"minimum": self.minimum, "maximum": self.maximum}
            schema |= {name: limit for name, limit in limits.items() if limit is not None}
        return schema


class Contract(BaseModel):
    """The schema of a task: feature columns in their order, and the target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    features: tuple[Column, ...]
    target: Column
    max_request_rows: int = Field(10_000, description="Most rows of one request")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [column.name for column in (*self.features, self.target)]
        if not self.features or len(set(names)) != len(names):
            raise ValueError(f"a contract needs features, and every column a name of its own: {names}")
        return self

    @property
    def feature_names(self) -> list[str]:
        """Names of the feature columns, in their order."""
        return [column.name for column in self.features]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns of a training CSV, in their order: the features, then the target."""
        return (*self.features, self.target)

    @property
    def probability_name(self) -> str:
        """Name in an answer of the probability of the second class."""
        return f"{self.target.name}_probability"

    def request_schema(self, *, probabilities: bool = False) -> dict[str, Any]:
        """Return the JSON Schema of a request: one array for each feature, all of the same length.

        ``probabilities``: whether the model has any, so that a request may ask for them.
        """
        properties: dict[str, Any] = {
            column.name: {
                "type": "array",
                "items": column.json_schema(),
                "minItems": 1,
                "maxItems": self.max_request_rows,
            }
            for column in self.features
        }
        if probabilities:
            properties |= self.option_schema()
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Request to {self.task}",
            "description": "One array for each column, all of the same length; the answers come in the same order.",
            "type": "object",
            "properties": properties,
            "required": self.feature_names,
            "additionalProperties": False,
        }

    def option_schema(self) -> dict[str, Any]:
        """Return the property by which a request asks for probabilities: none where a column has its name."""
        if PROBABILITIES in self.feature_names:
            return {}
        description = f"Whether to answer {self.probability_name}, too"
        return {PROBABILITIES: {"type": "boolean", "default": False, "description": description}}

    def answer_schema(self, *, probabilities: bool = False) -> dict[str, Any]:
        """Return the JSON Schema of an answer: the target column by its name, and its probability on request."""
        properties = {self.target.name: {"type": "array", "items": self.target.json_schema()}}
        if probabilities:
            description = f"Probability that {self.target.name} is {max(self.target.categories or ())}, where asked for"
            share = {"type": "number", "minimum": 0, "maximum": 1}
            properties[self.probability_name] = {"type": "array", "items": share, "description": description}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Answer of {self.task}",
            "type": "object",
            "properties": properties,
            "required": [self.target.name],
        }
