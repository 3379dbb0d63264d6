"""Requests: from JSON to the columns that an estimator takes, or to the first rule that is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from regraft_core.codes import Code
from regraft_core.contract import EXPLAIN, PROBABILITIES, Contract
from regraft_core.errors import ContractError
from regraft_core.listing import first_of
from regraft_inference.estimators import rows_of
from regraft_inference.json_text import parse_json, parse_json_with_nan
from regraft_inference.number_table import FEW_ROWS, number_tables
from regraft_inference.options import NO_OPTIONS, PARAMETERS, OptionReader, Options
from regraft_inference.tensors import Tensor, values_of
from regraft_inference.values import (
    LONGEST_NAME,
    MOST_NAMED,
    ColumnReader,
    Values,
    columns_missing,
    keys_in,
    kind_of,
    list_of,
    reader_of,
    refuse_repeated_keys,
)

BESIDE = frozenset({*PARAMETERS, "signature_name"})
"""What other servers' clients send beside the rows; but for ``explain`` there is nothing here that it would change."""

type Untyped = dict[str, list[Any]]
"""Columns whose names and lengths are right, and whose values nobody has looked at yet."""

ASKING = BESIDE | {PROBABILITIES, EXPLAIN}
"""What may stand beside the key of a format."""

SINGLE = (str, int, float, bool, type(None))
"""Python types of a single value."""

ONLY_LISTS = {list}
"""Python types of columns that are right."""


class RequestReader:
    """Reads the requests of one contract. All methods raise ContractError for a request that breaks it.

    ``probabilities`` and ``reasons`` say whether the model has any to give; without, a request must not ask for them.
    """

    def __init__(self, contract: Contract, *, probabilities: bool = False, reasons: bool = False) -> None:
        self.options = OptionReader(contract, probabilities=probabilities, reasons=reasons)
        self._names = contract.feature_names
        self._keys = dict.fromkeys(self._names).keys()
        self._leaves_aside = contract.leaves_aside
        self._max_rows = contract.max_request_rows
        self._readers: list[tuple[str, ColumnReader]] = [(each.name, reader_of(each)) for each in contract.features]
        self._tables = number_tables(contract.features)
        self._formats: dict[str, Callable[[Any], dict[str, Any]]] = {
            "dataframe_split": self._from_split,
            "dataframe_records": self._from_records,
            "instances": self._from_instances,
            "inputs": self._from_inputs,
        }
        self._has_names_of_formats = not self._formats.keys().isdisjoint(self._keys)

    def read(self, body: bytes) -> dict[str, Values]:
        """Read a request in any of its formats: columns, or one of MLflow's."""
        return self.typed(self.untyped(body))

    def read_by_name(self, body: bytes) -> dict[str, Values]:
        """Read a request as MLflow's server does: ``dataframe_split`` by the names of its columns, NaN as null."""
        return self.typed(self._unique(body, self._by_name(parse_json_with_nan(body))))

    def untyped(self, body: bytes) -> Untyped:
        """Read a request without looking at its values, which can be checked for many requests at once."""
        return self._unique(body, parse_json(body))

    def untyped_asking(self, body: bytes, *, by_name: bool = False) -> tuple[Untyped, Options]:
        """Read a request that may have options beside its rows; ``by_name`` as ``read_by_name`` does."""
        payload = parse_json_with_nan(body) if by_name else parse_json(body)
        if self._is_all(body, payload):
            plain: Untyped = payload
            return plain, NO_OPTIONS
        size = len(payload) if type(payload) is dict else 0
        options = self.take_options(payload)
        taken = size - len(payload) if size else 0
        return self._unique(body, self._by_name(payload) if by_name else payload, taken), options

    def typed(self, columns: Untyped) -> dict[str, Values]:
        """Check the values of columns, and type them."""
        if rows_of(columns) <= FEW_ROWS:
            return {name: reader.read(columns[name]) for name, reader in self._readers}
        found: dict[str, Values] = {}
        for table in self._tables:
            found |= table.read(columns)
        return {name: found[name] if name in found else reader.read(columns[name]) for name, reader in self._readers}

    def _by_name(self, payload: Any) -> Any:
        split = payload.get("dataframe_split") if type(payload) is dict else None
        if type(split) is dict and type(names := split.get("columns")) is list and names != self._names:
            return {**payload, "dataframe_split": _in_order(split, names, self._names)}
        return payload

    def _unique(self, body: bytes, payload: Any, taken: int = 0) -> Untyped:
        """Return the columns of a request of which so many keys have been taken out. No key may be there twice."""
        if self._is_all(body, payload, taken):
            plain: Untyped = payload
            return plain
        columns = self._shaped(payload)
        refuse_repeated_keys(body, keys_in(payload) + taken)
        return columns

    def _is_all(self, body: bytes, payload: Any, taken: int = 0) -> bool:
        """Whether a request is what nearly all are: the contract's columns, of one length, and nothing else."""
        return (
            type(payload) is dict
            and payload.keys() == self._keys
            and body.count(b":") == len(payload) + taken
            and not self._has_names_of_formats
            and self._are_even(payload)
        )

    def read_asking(self, body: bytes, *, by_name: bool = False) -> tuple[dict[str, Values], Options]:
        """Read a request that may have options beside its rows; ``by_name`` as ``read_by_name`` does."""
        columns, options = self.untyped_asking(body, by_name=by_name)
        return self.typed(columns), options

    def take_options(self, payload: Any) -> Options:
        """Take the options out of a request that is parsed. Raises as ``OptionReader.take``."""
        return self.options.take(payload, wrapped=type(payload) is dict and self._wrapper(payload) is not None)

    def read_payload(self, payload: Any) -> dict[str, Values]:
        """Read a request that is parsed already."""
        return self.typed(self._shaped(payload))

    def _shaped(self, payload: Any) -> Untyped:
        """Return the columns of a request that is parsed, all there and of one length."""
        if type(payload) is list:
            return self._check(self._from_instances(payload))
        if type(payload) is not dict:
            message = f"the request must be a JSON object, or an array of rows, not {kind_of(payload)}"
            raise ContractError(message, code=Code.NOT_AN_OBJECT)
        wrapper = self._wrapper(payload)
        if wrapper is None:
            is_columns = type(next(iter(payload.values()), None)) is list  # as nearly always
            return self._check(payload if is_columns else _one_row(payload))
        if len(payload) > 1 and (others := [key for key in payload if key != wrapper and key not in BESIDE]):
            other = others[0][:LONGEST_NAME]
            raise ContractError(
                f"{other!r} does not belong beside {wrapper!r}",
                code=Code.COLUMN_UNKNOWN,
                column=other,
                rule="known name",
            )
        return self._check(self._formats[wrapper](payload[wrapper]))

    def read_tensors(self, tensors: Sequence[Tensor]) -> dict[str, Values]:
        """Read the inputs of the V2 protocol: one tensor for each column, of shape [rows] or [rows, 1]."""
        found: dict[str, Any] = {}
        for tensor in tensors:
            if type(tensor.name) is not str:
                raise ContractError(
                    f"the name of an input is {kind_of(tensor.name)}", code=Code.WRONG_TYPE, rule="string"
                )
            if tensor.name in found:
                raise ContractError(
                    f"input {tensor.name!r} is there twice",
                    code=Code.DUPLICATE_KEY,
                    column=tensor.name,
                    rule="unique name",
                )
            found[tensor.name] = tensor
        found = self._without_aside(found)
        self._check_names(found)
        return self.typed(self._check({name: values_of(found[name], reader.column) for name, reader in self._readers}))

    def _check(self, columns: dict[str, Any]) -> Untyped:
        if columns.keys() != self._keys:
            columns = self._without_aside(columns)
            self._check_names(columns)
        self._check_lengths(columns)
        return columns

    def _aside(self, name: Any) -> bool:
        return type(name) is str and name not in self._keys and self._leaves_aside(name)

    def _without_aside[T](self, columns: Mapping[str, T]) -> dict[str, T]:
        """Return the columns without those that a contract leaves aside."""
        return {name: found for name, found in columns.items() if name in self._keys or not self._leaves_aside(name)}

    def _check_names(self, names: Iterable[str], **where: Any) -> None:
        for name in names:
            if name not in self._keys:
                raise ContractError(
                    f"there is no column {name[:LONGEST_NAME]!r}; the columns are {first_of(self._names, MOST_NAMED)}",
                    code=Code.COLUMN_UNKNOWN,
                    column=name[:LONGEST_NAME],
                    rule="known name",
                    **where,
                )
        if missing := [name for name in self._names if name not in names]:
            raise columns_missing(missing, **where)

    def _are_even(self, columns: dict[str, Any]) -> bool:
        """Whether all columns are lists of one length that is allowed."""
        values = columns.values()
        if set(map(type, values)) != ONLY_LISTS:
            return False
        lengths = set(map(len, values))
        return len(lengths) == 1 and 0 < lengths.pop() <= self._max_rows

    def _check_lengths(self, columns: dict[str, Any]) -> None:
        if self._are_even(columns):
            return
        for name in self._names:
            if type(columns[name]) is not list:
                raise ContractError(
                    f"column {name!r} must be an array of values, not {kind_of(columns[name])}",
                    code=Code.WRONG_TYPE,
                    column=name,
                    rule="array",
                )
        first = self._names[0]
        rows = len(columns[first])
        for name in self._names:
            if len(columns[name]) != rows:
                raise ContractError(
                    f"column {name!r} has {len(columns[name])} values, column {first!r} has {rows}",
                    code=Code.UNEQUAL_LENGTHS,
                    column=name,
                    row=min(rows, len(columns[name])),
                    rule="as many values as every other column",
                )
        if rows == 0:
            raise ContractError("the request has no rows", code=Code.EMPTY_REQUEST, column=first, rule="at least 1 row")
        if rows > self._max_rows:
            raise ContractError(
                f"the request has {rows} rows, at most {self._max_rows} are allowed",
                code=Code.TOO_MANY_ROWS,
                row=self._max_rows,
                rule=f"at most {self._max_rows} rows",
            )

    def _from_split(self, split: Any) -> dict[str, Any]:
        if type(split) is not dict or not {"columns", "data"} <= split.keys() <= {"columns", "data", "index"}:
            raise ContractError(
                'dataframe_split must be an object {"columns": [...], "data": [[...], ...]}', code=Code.WRONG_TYPE
            )
        rows = list_of(split["data"], "dataframe_split.data")
        if type(split["columns"]) is list and any(self._aside(name) for name in split["columns"]):
            split = _narrowed(split["columns"], rows, self._aside)
            rows = split["data"]
        self._check_header(split["columns"])
        return self._turned(rows, "row {row} of dataframe_split.data must be an array of {width} values")

    def _check_header(self, header: Any) -> None:
        if header == self._names:
            return
        for name in list_of(header, "dataframe_split.columns"):
            if type(name) is not str:
                raise ContractError(
                    "dataframe_split.columns must be names of columns", code=Code.WRONG_TYPE, rule="string"
                )
        self._check_names(header)
        for position, name in enumerate(header):
            if name in header[:position]:
                raise ContractError(
                    f"column {name!r} is there twice", code=Code.DUPLICATE_KEY, column=name, rule="unique name"
                )
            if name != self._names[position]:
                raise ContractError(
                    f"column {position} is {name!r}, it must be {self._names[position]!r}; "
                    f"the order is {', '.join(self._names)}",
                    code=Code.WRONG_COLUMN_ORDER,
                    column=name,
                    rule=f"column {position} is {self._names[position]}",
                )

    def _from_records(self, records: Any) -> dict[str, Any]:
        for row, record in enumerate(list_of(records, "the records")):
            if type(record) is not dict:
                raise ContractError(
                    f"record {row} must be an object with one value for each column, not {kind_of(record)}",
                    code=Code.WRONG_TYPE,
                    row=row,
                    rule="object",
                )
            if record.keys() != self._keys:
                self._check_names(self._without_aside(record), row=row)
        return {name: [record[name] for record in records] for name in self._names}

    def _from_instances(self, instances: Any) -> dict[str, Any]:
        if type(instances) is dict:
            message = 'the instances are rows, [{...}, ...] or [[...], ...]; columns stand under "inputs"'
            raise ContractError(message, code=Code.WRONG_TYPE, rule="array")
        values = list_of(instances, "the instances")
        if len(self._names) == 1 and not (values and type(values[0]) in (dict, list)):
            return {self._names[0]: values}
        return self._from_rows(values)

    def _from_rows(self, rows: list[Any]) -> dict[str, Any]:
        """Read rows: objects with the columns' names, or arrays in the contract's order."""
        if rows and type(rows[0]) in SINGLE:
            message = f"a row is an object or an array of values, also where there is one: [[{', '.join(self._names)}]]"
            raise ContractError(message, code=Code.WRONG_TYPE, row=0)
        if not (rows and type(rows[0]) is list):
            return self._from_records(rows)
        return self._turned(rows, "row {row} must be an array of {width} values, in the order {names}")

    def _turned(self, rows: list[Any], message: str) -> dict[str, Any]:
        """Return rows in the contract's order as columns; ``message`` says what is wrong with a row."""
        width = len(self._names)
        for row, values in enumerate(rows):
            if type(values) is not list or len(values) != width:
                raise ContractError(
                    message.format(row=row, width=width, names=", ".join(self._names)),
                    code=Code.UNEQUAL_LENGTHS if type(values) is list else Code.WRONG_TYPE,
                    row=row,
                    rule=f"{width} values",
                )
        columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in self._names)
        return dict(zip(self._names, columns, strict=True))

    def _from_inputs(self, inputs: Any) -> dict[str, Any]:
        return _one_row(inputs) if type(inputs) is dict else self._from_instances(inputs)

    def _wrapper(self, payload: Mapping[str, Any]) -> str | None:
        """Return the key that the columns stand under, None where they stand by themselves, as they mostly do."""
        if self._formats.keys().isdisjoint(payload):
            return None
        return next((key for key in self._formats if key in payload and self._is_wrapper(key, payload)), None)

    def _is_wrapper(self, key: str, payload: Mapping[str, Any]) -> bool:
        """Whether a key is no column: one that is called like it would have the other columns beside it."""
        return key not in self._keys or (len(self._keys) > 1 and (self._keys & payload.keys()) - ASKING == {key})


def _in_order(split: dict[str, Any], names: list[Any], wanted: list[str]) -> dict[str, Any]:
    """Return a ``dataframe_split`` in the order of the contract, where it has just its columns."""
    rows = split.get("data")
    if len(set(map(str, names))) != len(names) or not set(wanted) <= set(map(str, names)) or type(rows) is not list:
        return split
    if any(type(row) is not list or len(row) != len(names) for row in rows):
        return split
    rest = [name for name in names if name not in wanted]
    order = [names.index(name) for name in [*wanted, *rest]]
    return {**split, "columns": [*wanted, *rest], "data": [[row[place] for place in order] for row in rows]}


def _one_row(columns: dict[str, Any]) -> dict[str, Any]:
    """Return columns of one value each where a row is written as single values."""
    if columns and all(type(value) in SINGLE for value in columns.values()):
        return {name: [value] for name, value in columns.items()}
    return columns


def _narrowed(header: list[Any], rows: list[Any], aside: Callable[[Any], bool]) -> dict[str, Any]:
    """Return a split frame without the columns that are left aside; rows of another width stay as they are."""
    kept = [place for place, name in enumerate(header) if not aside(name)]
    wide = len(header)
    data = [[row[i] for i in kept] if type(row) is list and len(row) == wide else row for row in rows]
    return {"columns": [header[place] for place in kept], "data": data}
