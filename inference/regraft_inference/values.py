"""The values of a column of a request: from JSON to what an estimator takes, or to the first rule that is broken.

Every check has two halves. A fast one looks at a whole column at once and says yes for nearly all requests; only where
it does not, a slow one goes value by value to name column, row and rule.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.contract import Column
from regraft_core.errors import ContractError
from regraft_core.listing import first_of
from regraft_core.repeats import repeated_key
from regraft_inference.columns import TIME, parse_date, parse_time, typed_values
from regraft_inference.words import MOST_PLACES, Choices, Words

type Values = list[str] | NDArray[Any]
"""A checked column, as ``regraft_inference.columns`` has them."""

INT64 = np.iinfo(np.int64)
NUMBERS = {int, float}
"""Python types of JSON numbers; bool is a type of its own and no number."""

LARGEST = sys.float_info.max

NO_TIME = "NaT"
"""What pandas writes for a gap among dates."""

NESTED = (dict, list)
DEPTH = 6
"""How deep keys are counted: no format of a request goes deeper."""

LONGEST_NAME = 200
"""How much of a name that a client has made up is repeated to it, characters."""

MOST_NAMED = 20
"""Most columns that a message names."""

KEY_ENDS = re.compile(rb'"[ \t\n\r]*:')


class ColumnReader:
    """Checks the values of one column and types them."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._categories = None if column.categories is None else frozenset[Any](column.categories)

    def read(self, values: list[Any]) -> Values:
        """Return the typed column. Raises ContractError that names the first row that breaks a rule, and the rule."""
        if not self._all_valid(values):
            values = self._meant(values)
            for row, value in enumerate(values):
                self._check_value(row, value)
        return self._typed(values)

    def _meant(self, values: list[Any]) -> list[Any]:
        """Return values of which some may be written in another way, as the contract has them."""
        return values

    def _all_valid(self, values: list[Any]) -> bool:
        """Whether the values are valid beyond doubt; where not, ``_check_value`` looks at each."""
        raise NotImplementedError

    def _typed(self, values: list[Any]) -> Values:
        raise NotImplementedError

    def _check_value(self, row: int, value: Any) -> None:
        if value is None:
            self._refuse(row, value, Code.VALUE_MISSING, "not null")
        self._check_kind(row, value)
        if self._categories is not None and value not in self._categories:
            self._refuse(
                row, value, Code.VALUE_NOT_IN_CATEGORIES, f"one of {', '.join(map(str, self.column.categories or ()))}"
            )

    def _check_kind(self, row: int, value: Any) -> None:
        raise NotImplementedError

    def _refuse(self, row: int, value: Any, code: Code, rule: str) -> NoReturn:
        raise ContractError(
            f"row {row} of column {self.column.name!r} is {shown(value)}; the rule is: {rule}",
            code=code,
            column=self.column.name,
            row=row,
            rule=rule,
        )


class _StringReader(ColumnReader):
    """Strings: length in characters (Unicode code points), as JSON Schema counts it."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self._choices = tuple[Any, ...](column.categories or ())
        self._places: dict[Any, int] = {}
        if len(self._choices) <= MOST_PLACES:
            self._places = {category: place for place, category in enumerate(self._choices)}

    def read(self, values: list[Any]) -> Values:
        """Return the typed column. Raises ContractError as for any other."""
        if self._places:
            try:
                return self._typed(values)  # whatever has a place is valid
            except (KeyError, TypeError):
                return super().read(values)
        words = Words(values)
        return words if self._categories is None and self._fit(words) else super().read(values)

    def _fit(self, words: Words) -> bool:
        """Whether all values are words of a length that is allowed. What counts them needs their text, too."""
        try:
            if not words.text:
                return True
        except TypeError:
            return False
        return self._have_lengths(words)

    def _have_lengths(self, words: list[str]) -> bool:
        lengths = set(map(len, words))
        return min(lengths) >= self.column.min_length and max(lengths) <= self.column.max_length

    def _all_valid(self, values: list[Any]) -> bool:
        if set(map(type, values)) != {str}:
            return not values
        if self._categories is not None:
            return self._categories.issuperset(values)
        return self._have_lengths(values)

    def _meant(self, values: list[Any]) -> list[Any]:
        """Blanks around a word are no part of it, unless the contract names them; in a CSV they are none either."""
        known = self._categories
        if known is None:
            return values
        words = {value: value.strip() for value in values if type(value) is str and value not in known}
        return [words.get(value, value) if type(value) is str else value for value in values]

    def _typed(self, values: list[Any]) -> Values:
        if self._places:
            return Choices(values, bytes(map(self._places.__getitem__, values)), self._choices)
        return values if self._categories is not None else Words(values)

    def _check_kind(self, row: int, value: Any) -> None:
        if type(value) is not str:
            self._refuse(row, value, Code.WRONG_TYPE, "type string")
        if self._categories is not None:
            return
        if len(value) < self.column.min_length:
            self._refuse(row, value, Code.VALUE_TOO_SHORT, f"at least {self.column.min_length} characters")
        if len(value) > self.column.max_length:
            self._refuse(row, value, Code.VALUE_TOO_LONG, f"at most {self.column.max_length} characters")


class _NumberReader(ColumnReader):
    """Numbers and integers. As in JSON Schema 3.0 is an integer, and true is no number."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self._integer = column.type == "integer"
        self._minimum: float = INT64.min if self._integer else -LARGEST
        self._maximum: float = INT64.max if self._integer else LARGEST
        if column.minimum is not None:
            self._minimum = max(self._minimum, column.minimum)
        if column.maximum is not None:
            self._maximum = min(self._maximum, column.maximum)
        self._is_bounded = self._integer or (self._minimum, self._maximum) != (-LARGEST, LARGEST)
        self._plain_kinds = frozenset({int}) if self._integer else NUMBERS
        """Types that are right beyond doubt: a float may be an integer, too."""
        self._allowed: frozenset[Any] | None = None
        """Categories within the bounds."""
        if self._categories is not None:
            self._allowed = frozenset(one for one in self._categories if self._minimum <= one <= self._maximum)

    def _all_valid(self, values: list[Any]) -> bool:
        if not self._plain_kinds.issuperset(map(type, values)):
            return False
        if self._allowed is not None:
            return self._allowed.issuperset(values)
        if not values:
            return True
        try:
            finite = math.isfinite(sum(values))
        except OverflowError:
            return False
        return finite and (not self._is_bounded or (min(values) >= self._minimum and max(values) <= self._maximum))

    def _typed(self, values: list[Any]) -> Values:
        return np.array(values, dtype=np.int64 if self._integer else np.float64)

    def _check_kind(self, row: int, value: Any) -> None:
        if type(value) not in NUMBERS:
            self._refuse(row, value, Code.WRONG_TYPE, f"type {self.column.type}")
        if type(value) is float and not math.isfinite(value):  # of a whole number that is too large, the bounds tell
            code = Code.VALUE_NAN if math.isnan(value) else Code.VALUE_INFINITE
            self._refuse(row, value, code, "a finite number")
        if self._integer and value != math.floor(value):
            self._refuse(row, value, Code.VALUE_NOT_INTEGER, "type integer")
        if value < self._minimum:
            code = Code.VALUE_NEGATIVE if self._minimum == 0 else Code.VALUE_TOO_SMALL
            self._refuse(row, value, code, f"at least {self._minimum:g}")
        if value > self._maximum:
            self._refuse(row, value, Code.VALUE_TOO_LARGE, f"at most {self._maximum:g}")


class _BooleanReader(ColumnReader):
    """Booleans: true and false, nothing else."""

    def _all_valid(self, values: list[Any]) -> bool:
        return set(map(type, values)) <= {bool}

    def _typed(self, values: list[Any]) -> Values:
        return np.array(values, dtype=np.bool_)

    def _check_kind(self, row: int, value: Any) -> None:
        if type(value) is not bool:
            self._refuse(row, value, Code.WRONG_TYPE, "type boolean")


class _TimeReader(ColumnReader):
    """Dates and points in time, in ISO 8601."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self._parse: Callable[[str], Any] = parse_date if column.type == "date" else parse_time

    def _all_valid(self, values: list[Any]) -> bool:
        return not values

    def _typed(self, values: list[Any]) -> Values:
        return np.array([parse_time(self._parse(value)) for value in values], dtype=TIME)

    def _check_value(self, row: int, value: Any) -> None:
        super()._check_value(row, None if value == NO_TIME else value)

    def _check_kind(self, row: int, value: Any) -> None:
        rule = f"a {self.column.type} in ISO 8601"
        if type(value) is not str:
            self._refuse(row, value, Code.WRONG_TYPE, rule)
        try:
            self._parse(value)
        except ValueError:
            self._refuse(row, value, Code.VALUE_NOT_DATE, rule)


class _NullableReader(ColumnReader):
    """Values of which some may be null: those that are there are checked by their own reader."""

    def __init__(self, column: Column, present: ColumnReader) -> None:
        super().__init__(column)
        self._present = present

    def read(self, values: list[Any]) -> Values:
        """Return the typed column, gaps as estimators have them."""
        if self.column.is_time:
            values = [None if value == NO_TIME else value for value in values]
        there = [value for value in values if value is not None]
        if not self._present._all_valid(there):  # noqa: SLF001  (of the same family)
            values = self._present._meant(values)  # noqa: SLF001
            for row, value in enumerate(values):
                if value is not None and value == value:  # noqa: PLR0124  (tensors of bytes have NaN for null)
                    self._present._check_value(row, value)  # noqa: SLF001
        return cast("Values", typed_values(self.column, values))


def reader_of(column: Column) -> ColumnReader:
    """Return what reads the values of a column."""
    if column.is_time:
        found: ColumnReader = _TimeReader(column)
    elif column.type == "boolean":
        found = _BooleanReader(column)
    else:
        found = _NumberReader(column) if column.is_number else _StringReader(column)
    return _NullableReader(column, found) if column.nullable else found


def kind_of(value: Any) -> str:
    """Say of which kind a JSON value is."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def columns_missing(names: Sequence[str], **where: Any) -> ContractError:
    """Return the error of columns, at least one, that are not there; ``where`` is told beside."""
    some = len(names) > 1
    told = f"columns {first_of(list(map(repr, names)), MOST_NAMED)} are" if some else f"column {names[0]!r} is"
    return ContractError(f"{told} missing", code=Code.COLUMN_MISSING, column=names[0], rule="required", **where)


def list_of(value: Any, what: str) -> list[Any]:
    """Return a JSON value that has to be an array. Raises ContractError."""
    if type(value) is not list:
        raise ContractError(f"{what} must be an array, not {kind_of(value)}", code=Code.WRONG_TYPE, rule="array")
    return value


def shown(value: Any) -> str:
    """Return a JSON value as a message shows it."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def keys_in(value: Any, depth: int = DEPTH) -> int:
    """Return how many keys the objects of a JSON value have. Those deep down, or behind plain values, do not count."""
    if type(value) not in NESTED:
        return 0
    is_object = type(value) is dict
    count = len(value) if is_object else 0
    for each in value.values() if is_object else value:
        if type(each) is dict or (type(each) is list and each and type(each[0]) in NESTED):
            count += keys_in(each, depth - 1) if depth else 0
        elif not is_object:
            break  # rows of values, of which there may be many
    return count


def refuse_repeated_keys(body: bytes, keys: int) -> None:
    """Raise ContractError (``duplicate_key``) where a key stands twice in a text: readers keep one silently.

    ``keys`` is how many they have kept. As many colons in the text mean that none is lost; only where there are more (a
    value may have them, too) somebody has to look.
    """
    if body.count(b":") == keys or len(KEY_ENDS.findall(body)) == keys:
        return
    try:
        key = repeated_key(body)
    except RecursionError:
        raise ContractError("the body is not JSON that is read here: it is too deep", code=Code.NOT_JSON) from None
    if key is not None:
        key = key[:LONGEST_NAME]
        raise ContractError(f"key {key!r} is there twice", code=Code.DUPLICATE_KEY, column=key, rule="unique name")
