"""The command ``predict``: the served model's answers to a row or a file, and what each column added to them."""
# ruff: noqa: PLC0415, PLR0917  (imports only what is used; the arguments of a command are its options)

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.options import DEFAULT_DATA, AsJson, Data, PredictorUrl, TaskName, Token, predictor_at
from regraft_core.codes import Code
from regraft_core.contract import FILE_FORMAT
from regraft_core.errors import RegraftError
from regraft_core.written import FALSE, NOT_KNOWN, NUMBER, READ_DELIMITERS, TRUE

ROWS = 1000
"""Rows that are asked for at a time."""

EXACT = 1 << 53
"""Below this, a float that is whole is that very number."""

WHOLE = r"[+-]?\d+"
"""A number that is written as a whole one, which a float may not hold."""

BAR_CELLS = 20
"""Length of the longest bar to either side, in characters."""

Values = Annotated[
    list[str], typer.Argument(metavar="FILE | NAME=VALUE...", help="A CSV with a header, or the values of one row")
]
Explain = Annotated[bool, typer.Option("--explain", help="Say what each column added to each answer")]


def predict(
    values: Values,
    task: TaskName = None,
    explain: Explain = False,
    data: Data = DEFAULT_DATA,
    url: PredictorUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask the served model, and show its answers. An empty value is a gap; the target's column is left out."""
    from regraft_cli.client import JsonClient

    base = f"/{task}" if task else ""
    client = JsonClient(predictor_at(url, data), token, "predictor")
    schema = client.call("GET", f"{base}/schema")
    target = next(iter(schema["answer"]["properties"]))
    items = {name: schema["request"]["properties"][name]["items"] for name in schema["request"]["required"]}
    rows = [{name: row[name] for name in row if name != target} for row in _rows(values, items)]
    plain = plain_rows(rows, items)
    answers: dict[str, list[Any]] = {}
    for part in (plain[first : first + ROWS] for first in range(0, len(plain), ROWS)):
        records = [{name: json_value(value, items.get(name, {})) for name, value in row.items()} for row in part]
        asked = {"dataframe_records": records} | ({"explain": True} if explain else {})
        with _naming(None if task else schema["task"]):
            found = client.call("POST", f"{base}/predict", json=asked)
        for name, part_of in found.items():
            answers.setdefault(name, []).extend(part_of)
    out = terminal.make_console()
    if as_json:
        out.print_json(json.dumps(answers))
    elif explain:
        for row, answer, reasons in zip(rows, answers[target], answers[f"{target}_reasons"], strict=True):
            out.print(explained(row, f"{target}: {_shown(answer)}", reasons))
    else:
        table = Table(box=None)
        for name in (*rows[0], target):
            table.add_column(Text(name))
        for row, answer in zip(rows, answers[target], strict=True):
            table.add_row(*(Text(value) for value in row.values()), Text(_shown(answer), "bold"))
        out.print(table)


@contextmanager
def _naming(asked: str | None) -> Iterator[None]:
    """Have a refusal say which task was asked, where nobody named one."""
    try:
        yield
    except RegraftError as error:
        if asked is not None:
            error.message += f" ({asked} was asked, the first task; --task names another)"
        raise


def explained(row: Mapping[str, str], answer: str, reasons: Mapping[str, Any]) -> Group:
    """Return an answer with a line for each column: its value, and what it added, as a number and as a bar."""
    table = Table("column", "value", box=None, header_style="dim")
    table.add_column("added", justify="right")
    table.add_column(Text(reasons["scale"]))
    largest = max((abs(one["added"]) for one in reasons["columns"]), default=0.0)
    table.add_row("", Text("to start with", "dim"), f"{reasons['start']:+.4g}", "")
    for one in reasons["columns"]:
        value = Text(row.get(one["column"], ""), overflow="ellipsis", no_wrap=True)
        table.add_row(Text(one["column"]), value, f"{one['added']:+.4g}", _bar(one["added"], largest))
    table.add_row("", Text("in all", "dim"), Text(f"{reasons['answer']:+.4g}", "bold"), "")
    return Group(Text(answer, "bold"), table)


def _bar(added: float, largest: float) -> Text:
    """Return a bar that goes to the right for what is added, to the left for what is taken away."""
    cells = round(BAR_CELLS * abs(added) / largest) if largest else 0
    if added < 0:
        return Text(" " * (BAR_CELLS - cells) + "█" * cells + "│", "red")
    return Text(" " * BAR_CELLS + "│" + "█" * cells, "green")


def _rows(values: Sequence[str], known: Collection[str]) -> list[dict[str, str]]:
    """Return the rows of a file, or the one row that is written as NAME=VALUE. Raises RegraftError."""
    if len(values) == 1 and _is_path(values[0], known):
        return list(_of_file(Path(values[0]), known))
    row = dict[str, str]()
    for value in values:
        name, sign, text = value.partition("=")
        if not sign or not name or name in row:
            raise RegraftError(f"{value!r} must be NAME=VALUE, each name once", code=Code.FIELD_INVALID)
        row[name] = text
    return [row]


def _is_path(value: str, known: Collection[str]) -> bool:
    """Whether an only value names a file: no column is named before its sign, and there may be such a file."""
    name, sign, _ = value.partition("=")
    return not sign or (name not in known and _is_file(Path(value)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no name of a file, or none that may be looked at
        return False


def _of_file(path: Path, known: Collection[str]) -> Iterator[dict[str, str]]:
    if not _is_file(path):
        raise RegraftError(f"{str(path)!r} is neither a file nor NAME=VALUE", code=Code.DATA_MISSING)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = max(
                READ_DELIMITERS, key=lambda sign: len({*next(csv.reader([first], delimiter=sign), ())} & {*known})
            )
            file.seek(0)
            header, *lines = csv.reader(file, delimiter=delimiter)
    except (ValueError, csv.Error) as error:
        raise RegraftError(f"{path} is no CSV in UTF-8 with a header: {error}", code=Code.DATA_MISSING) from error
    for number, line in enumerate(line for line in lines if line):
        if len(line) != len(header):
            raise RegraftError(
                f"row {number} of {path} has {len(line)} values, the header {len(header)}", code=Code.UNEQUAL_LENGTHS
            )
        yield dict(zip(header, line, strict=True))


def plain_rows(rows: list[dict[str, str]], items: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return rows whose values are written as in most files, where the files of the task write them in another way."""
    written = {name: kind[FILE_FORMAT] for name, kind in items.items() if FILE_FORMAT in kind and name in rows[0]}
    if not written:
        return rows
    from regraft_pipeline.data.types import plain

    columns = {
        name: plain([row[name] for row in rows], form, is_time="format" in items[name])
        for name, form in written.items()
    }
    return [row | {name: columns[name][number] for name in columns} for number, row in enumerate(rows)]


def json_value(value: str, items: Mapping[str, Any]) -> Any:
    """Return a value as JSON has it, read as a dataset's. What is not of the contract's type the predictor refuses."""
    types = items.get("type", "string")
    types = types if isinstance(types, list) else [types]
    text, listed = value.strip(), items.get("enum", ())
    is_open = "string" in types and not listed and "format" not in items
    if "null" in types and (not value or (not is_open and text not in listed and text.lower() in {"", *NOT_KNOWN})):
        return None
    if "string" in types:
        return value
    if "boolean" in types:
        return True if text.lower() in TRUE else False if text.lower() in FALSE else value
    number = float(text) if re.fullmatch(NUMBER, text, re.ASCII) else math.nan
    if not math.isfinite(number):
        return value
    if re.fullmatch(WHOLE, text, re.ASCII):
        return int(text)
    return int(number) if number.is_integer() and abs(number) < EXACT else number


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value) if isinstance(value, bool) else str(value)
