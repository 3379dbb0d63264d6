"""The contract of a task: what a training CSV must look like and what a request must look like, said once."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

ColumnType = Literal["string", "integer", "number", "boolean", "text", "date", "datetime"]
Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; a text that looks like one is none."""

Value = bool | int | str
"""A value of a class or category."""

FILE_FORMAT = "x-file-format"
"""Key of a value's schema: how a CSV writes such values; a request has them as JSON has."""

PROBABILITIES = "probabilities"
"""Option of a request: answer the probability of each class, too."""

EXPLAIN = "explain"
"""Option of a request: answer what each column added, too."""

TEXT_LENGTH = 65_536
"""Most characters of a text where the contract does not say."""

NUMBER_FORMAT = re.compile(r"(?P<before>\D*?)1(?P<thousands>[,. ']?)234((?P<decimal>[.,])5+)?(?P<after>\D*)")
"""How numbers are written, told by an example such as $1,234.5 or 1.234,5 €."""

JSON_TYPES: dict[str, dict[str, Any]] = {
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "text": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}


class Column(BaseModel):
    """One column, the same in training data and in requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: ColumnType
    description: str = ""
    unit: str | None = Field(None, description="Unit of the values, such as mm Hg")
    minimum: Number | None = Field(None, description="Smallest value that is allowed")
    maximum: Number | None = Field(None, description="Largest value that is allowed")
    categories: tuple[StrictInt, ...] | tuple[StrictStr, ...] | None = Field(
        None, description="All values that are allowed"
    )
    min_length: StrictInt = Field(1, description="Fewest characters of a string")
    max_length: StrictInt = Field(256, description="Most characters of a string; of a text 65,536 where not said")
    nullable: StrictBool | Number = Field(
        False, description="Whether a value may be missing: true as often as in the reference, or the largest share"
    )
    format: str | None = Field(
        None,
        description="How a CSV writes the values: %d.%m.%Y of a date, 1.234,5 or $1,234.5 of a number; where not said "
        "as ISO 8601 and 1234.5",
    )
    trend: StrictBool = Field(False, description="Whether the values move with time, so that moving on is no drift")

    @model_validator(mode="before")
    @classmethod
    def _texts_are_long(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("type") == "text":
            return {"max_length": TEXT_LENGTH} | values
        return values

    @field_validator("categories", mode="before")
    @classmethod
    def _are_of_one_kind(cls, values: Any) -> Any:
        if not isinstance(values, list | tuple) or {type(value) for value in values} in ({str}, {int}, set()):
            return values
        odd = json.dumps(next(value for value in values if type(value) is not str), default=str)
        raise ValueError(
            f"categories are all texts or all whole numbers, and {odd} stands among them; as a text it needs quotes"
        )

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        numeric = self.type in ("number", "integer")
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"column {self.name!r}: minimum and maximum are for numbers, not for type {self.type}")
        if self.categories is not None and not numeric and self.type != "string":
            raise ValueError(f"column {self.name!r}: categories are for strings and numbers, not for type {self.type}")
        if self.categories is not None and self.type == "string" and any(type(c) is not str for c in self.categories):
            raise ValueError(f"column {self.name!r}: the categories of a string are strings; put them into quotes")
        if self.categories is not None and numeric and any(type(c) is str for c in self.categories):
            raise ValueError(f"column {self.name!r}: the categories of a number are whole numbers, without quotes")
        self._says_what_can_be()
        if self.format is not None and not (numeric or self.is_time):
            raise ValueError(f"column {self.name!r}: format is for numbers and dates, not for type {self.type}")
        if self.format is not None and numeric and not NUMBER_FORMAT.fullmatch(self.format):
            raise ValueError(f"column {self.name!r}: format is no number such as 1,234.5 or 1.234,5 or $1234.5")
        if self.format is not None and self.is_time and not _is_time_format(self.format):
            raise ValueError(f"column {self.name!r}: format is no date such as %d.%m.%Y")
        if not 0 <= self.nullable <= 1:
            raise ValueError(f"column {self.name!r}: nullable is true, false or a share between 0 and 1")
        return self

    def _says_what_can_be(self) -> None:
        """Raise ValueError where no value could keep the contract, or one is named twice."""
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name!r}: minimum {self.minimum:g} is above maximum {self.maximum:g}")
        if not 0 <= self.min_length <= self.max_length:
            raise ValueError(
                f"column {self.name!r}: min_length {self.min_length} is not between 0 and max_length {self.max_length}"
            )
        if self.categories is not None:
            if not self.categories:
                raise ValueError(f"column {self.name!r}: categories name no value; without the key any is allowed")
            if doubled := [value for value, count in Counter[Value](self.categories).items() if count > 1]:
                raise ValueError(f"column {self.name!r}: the category {doubled[0]!r} is there twice")

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers or whole numbers."""
        return self.type in ("number", "integer")

    @property
    def is_open(self) -> bool:
        """Whether the values are strings without a list of the allowed ones."""
        return self.type == "text" or (self.type == "string" and self.categories is None)

    @property
    def is_time(self) -> bool:
        """Whether the values are dates or points in time."""
        return self.type in ("date", "datetime")

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of one value."""
        schema = dict(JSON_TYPES[self.type])
        if self.nullable:
            schema["type"] = [schema["type"], "null"]
        if self.format is not None:
            schema[FILE_FORMAT] = self.format
        if described := " ".join(part for part in (self.description, self._unit_told()) if part):
            schema["description"] = described
        if self.categories is not None:
            schema["enum"] = [*self.categories, None] if self.nullable else list(self.categories)
        elif self.is_open:
            schema |= {"minLength": self.min_length, "maxLength": self.max_length}
        elif self.is_number:
            limits = {"minimum": self.minimum, "maximum": self.maximum}
            schema |= {name: limit for name, limit in limits.items() if limit is not None}
        return schema

    def _unit_told(self) -> str:
        """Return the unit as it stands behind a description: not where the name has it, as Distance in km does."""
        if not self.unit or re.search(rf"(?<!\w){re.escape(self.unit)}(?!\w)", self.name):
            return ""
        return f"[{self.unit}]"


def _is_time_format(form: str) -> bool:
    """Whether a format tells at least the year of a date."""
    example = datetime(2001, 2, 1, 4, 5, 6)  # noqa: DTZ001  (an example, no moment)
    try:
        read = datetime.strptime(example.strftime(form), form)  # noqa: DTZ007  (an example, no moment)
    except ValueError:
        return False
    return read.year == example.year


class Contract(BaseModel):
    """The schema of a task: feature columns in their order, and the target.

    ``ignored`` columns may stand in a file or a request and are left aside; with ``extra_columns`` ``ignore`` so may
    any other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    features: tuple[Column, ...]
    target: Column
    max_request_rows: int = Field(10_000, description="Most rows of one request")
    ignored: tuple[str, ...] = Field((), description="Columns that may be there and are left aside")
    extra_columns: Literal["refuse", "ignore"] = Field("refuse", description="What becomes of columns not named here")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [*(column.name for column in (*self.features, self.target)), *self.ignored]
        if not self.features:
            raise ValueError("there is no column that could tell of the target")
        if len(set(names)) != len(names):
            raise ValueError(f"a contract needs for every column a name of its own: {names}")
        return self

    @model_validator(mode="after")
    def _target_can_be_learned(self) -> Self:
        target = self.target
        if target.is_time or (target.is_open and target.type == "text"):
            raise ValueError(f"the target {target.name!r} must be a number, an integer, a boolean or a label")
        if target.is_open:
            raise ValueError(f"the target {target.name!r} is a string: name its labels as categories")
        if target.nullable:
            raise ValueError(f"the target {target.name!r} cannot be nullable: rows without it teach nothing")
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
    def classes(self) -> tuple[Value, ...] | None:
        """The classes of the target in ascending order, None where it has no closed list of values."""
        if self.target.type == "boolean":
            return (False, True)
        return None if self.target.categories is None else tuple(sorted(self.target.categories))

    @property
    def has_labels(self) -> bool:
        """Whether the classes are words."""
        return self.target.type == "string"

    @property
    def names_classes(self) -> bool:
        """Whether probabilities are answered for each class by its name: for labels, and for more than two classes."""
        return self.has_labels or len(self.classes or ()) > 2

    def leaves_aside(self, name: str) -> bool:
        """Whether a column that is neither feature nor target may be there."""
        return self.extra_columns == "ignore" or name in self.ignored

    @property
    def probability_name(self) -> str:
        """Name in an answer of the probability of the second class, or of the probabilities of each class."""
        return f"{self.target.name}_probabilities" if self.names_classes else f"{self.target.name}_probability"

    @property
    def reasons_name(self) -> str:
        """Name in an answer of the reasons of each row."""
        return f"{self.target.name}_reasons"

    def request_schema(self, *, probabilities: bool = False, reasons: bool = False) -> dict[str, Any]:
        """Return the JSON Schema of a request: one array for each feature, all of the same length.

        ``probabilities``, ``reasons``: whether the model has any, so that a request may ask for them.
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
        properties |= self.option_schema(probabilities=probabilities, reasons=reasons)
        aside = {name: {"description": "Left aside"} for name in self.ignored if name not in properties}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Request to {self.task}",
            "description": "One array for each column, all of the same length; the answers come in the same order.",
            "type": "object",
            "properties": properties | aside,
            "required": self.feature_names,
            "additionalProperties": self.extra_columns == "ignore",
        }

    def option_schema(self, *, probabilities: bool, reasons: bool) -> dict[str, Any]:
        """Return the properties by which a request asks for more: none where a column has the name of one."""
        named = {
            PROBABILITIES: self.probability_name if probabilities else "",
            EXPLAIN: self.reasons_name if reasons else "",
        }
        return {
            option: {"type": "boolean", "default": False, "description": f"Whether to answer {name}, too"}
            for option, name in named.items()
            if name and option not in self.feature_names
        }

    def answer_schema(self, *, probabilities: bool = False, reasons: bool = False) -> dict[str, Any]:
        """Return the JSON Schema of an answer: the target column by its name, and on request what belongs to it."""
        properties: dict[str, Any] = {self.target.name: {"type": "array", "items": self.target.json_schema()}}
        if probabilities:
            properties[self.probability_name] = {"type": "array", **self._probability_schema()}
        if reasons:
            properties[self.reasons_name] = {"type": "array", **self.reasons_schema()}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Answer of {self.task}",
            "type": "object",
            "properties": properties,
            "required": [self.target.name],
        }

    def reasons_schema(self) -> dict[str, Any]:
        """Return items and description of the reasons of answers."""
        number = {"type": "number"}
        added = {"column": {"enum": self.feature_names}, "added": number}
        columns = {"type": "array", "items": {"type": "object", "properties": added, "required": list(added)}}
        properties = {
            "scale": {"type": "string", "description": "What the numbers are on"},
            "start": number | {"description": "The answer of a row of which nothing is known"},
            "columns": columns | {"description": "What each column added, the largest first"},
            "answer": number | {"description": "The sum of all: the answer on the scale"},
        }
        items = {"type": "object", "properties": properties, "required": list(properties)}
        return {"items": items, "description": f"What each column added to {self.target.name}, where asked for"}

    def _probability_schema(self) -> dict[str, Any]:
        share = {"type": "number", "minimum": 0, "maximum": 1}
        classes = self.classes or ()
        if not self.names_classes:
            last = str(classes[-1]).lower() if self.target.type == "boolean" else classes[-1] if classes else ""
            return {"items": share, "description": f"Probability that {self.target.name} is {last}, where asked for"}
        names = {str(one): share for one in classes}
        items = {"type": "object", "properties": names, "required": list(names), "additionalProperties": False}
        return {"items": items, "description": f"Probability of each {self.target.name}, where asked for"}


__all__ = ["EXPLAIN", "FILE_FORMAT", "PROBABILITIES", "Column", "ColumnType", "Contract", "Value"]
