"""Reads ``task.yaml``: YAML 1.2 (``no`` is a text), every mistake named with its line and its cure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from regraft_core.codes import Code
from regraft_core.definition.gates import GateSettings
from regraft_core.definition.requests import RequestSettings
from regraft_core.definition.task import NAME_NEEDS, ColumnDefinition, TaskDefinition, alike, nearest
from regraft_core.errors import BadRequestError

MAX_BYTES = 1 << 20
MAX_NODES = 200_000
MAX_DEPTH = 20
SHOWN = 5
"""Mistakes that are named at once."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))
"""What nodes without a tag have."""

MOST_DIGITS = 400
"""Of longer numbers there is no float; they are texts, which no key takes for a number."""

SHOWN_LENGTH = 60
"""Characters of a wrong value that are shown."""

_NEEDED = {
    "tuple_type": "a list is needed, [a, b]",
    "model_type": "a mapping of keys is needed, {key: value}",
    "string_type": "a text is needed; put it into quotes",
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_type": "a number is needed",
    "float_parsing": "a number is needed",
    "finite_number": "a finite number is needed",
    "bool_type": "true or false is needed",
    "bool_parsing": "true or false is needed",
    "too_short": "two columns are needed, a target and one that tells of it",
    "string_pattern_mismatch": NAME_NEEDS,
}
"""What to write, by the kind of pydantic's error."""

type Path = tuple[str | int, ...]


class TaskFileError(BadRequestError):
    """A task's file is wrong; the message names file, line and cure."""

    code = Code.TASK_INVALID
    title = "The task's file is not valid"


def read_definition(text: str | bytes, name: str = "task.yaml") -> TaskDefinition:
    """Return the definition that a file holds. Raises TaskFileError."""
    reader = _Reader(name)
    content = reader.read(text)
    if not isinstance(content, dict):
        raise TaskFileError(f"{name}: a task is a mapping that begins with 'apiVersion: regraft.dev/v1'")
    try:
        return TaskDefinition.model_validate(content)
    except ValidationError as error:
        errors = _without_followers(error.errors())
        told = [_told(one, reader) for one in errors[:SHOWN]]
        if len(errors) > SHOWN:
            told.append(f"and {len(errors) - SHOWN} more")
        raise TaskFileError("; ".join(told), line=reader.line_of(_location(errors[0]))) from None


def line_of(text: str | bytes, *path: str | int) -> int:
    """Return the line of a key in a file that has been read before; that of what is around it where it is not there."""
    reader = _Reader("")
    reader.read(text)
    return reader.line_of(path)


class _Loader(yaml.BaseLoader):
    """Composes nodes as deep as tasks are, and no deeper: composing is recursive."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Compose one node with all that is in it. Raises MarkedYAMLError where it is too deep."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            where = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="too deep for a task", problem_mark=where)
        found: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return found


class _Reader:
    """Turns YAML into plain values, and knows the line of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lines: dict[Path, int] = {}
        self._nodes = 0

    def read(self, text: str | bytes) -> Any:
        """Return the content."""
        if len(text) > MAX_BYTES:
            raise TaskFileError(f"{self.name}: a task's file has at most {MAX_BYTES >> 20} MiB")
        try:
            node = yaml.compose(self._decoded(text), Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            message = f"{self.name}, line {line}: this is not YAML: {error.problem}"
            raise TaskFileError(message, line=line) from None
        except yaml.reader.ReaderError as error:
            line = self._decoded(text)[: error.position].count("\n") + 1
            message = f"{self.name}, line {line}: the character {chr(error.character)!r} cannot be in YAML"
            raise TaskFileError(message, line=line) from None
        return None if node is None else self._value(node, ())

    def _decoded(self, text: str | bytes) -> str:
        if isinstance(text, str):
            return text
        coding = "utf-16" if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        try:
            return text.decode(coding)
        except UnicodeDecodeError as error:
            line = text[: error.start].count(b"\n") + 1
            raise TaskFileError(f"{self.name}, line {line}: this is not UTF-8; save it as UTF-8", line=line) from None

    def line_of(self, path: Path) -> int:
        """Return the line on which the value at a path, or the nearest one around it, begins."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _value(self, node: Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise TaskFileError(f"{self.name}: too large or too deep for a task", line=node.start_mark.line + 1)
        line = self._lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _TAGS:
            raise TaskFileError(f"{self.name}, line {line}: tags such as {node.tag!r} mean nothing here", line=line)
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, path) if isinstance(node, MappingNode) else None

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise TaskFileError(f"{self.name}, line {line}: a key must be a name", line=line)
            key = str(key_node.value)
            if key in found:
                raise TaskFileError(f"{self.name}, line {line}: the key {key!r} is there twice", line=line)
            self._lines[*path, key] = line
            found[key] = self._value(value_node, (*path, key))
        return found


def _scalar(node: ScalarNode) -> Any:
    """Return the value of a scalar by the core schema of YAML 1.2."""
    text: str = node.value
    if node.style is not None or len(text) > MOST_DIGITS:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        bases = {"0o": 8, "0x": 16}
        return int(text[2:], bases[text[:2]]) if text[:2] in bases else int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _without_followers(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the mistakes without what follows from others.

    A value that fits none of several types is one mistake; a key that is written in another way is not missing, too;
    and what is wrong with a list as a whole counts where nothing is wrong in it.
    """
    found: dict[Path, ErrorDetails] = {}
    for error in errors:
        found.setdefault(_location(error), error)
    unknown = [path for path, error in found.items() if error["type"] == "extra_forbidden"]

    def follows(path: Path, error: ErrorDetails) -> bool:
        if error["type"] == "missing":
            beside = [str(other[-1]) for other in unknown if other[:-1] == path[:-1]]
            return any(alike(key, _keys(path)) == path[-1] for key in beside)
        return error["type"] == "too_short" and any(
            len(other) > len(path) and path == other[: len(path)] for other in found
        )

    return [error for path, error in found.items() if not follows(path, error)]


def _location(error: ErrorDetails) -> Path:
    """Return the place in the file: pydantic adds names of types where a value may have several."""
    if error["type"] == "misplaced":
        return tuple(error["ctx"]["path"])
    path: list[str | int] = []
    for part in error["loc"]:
        if path and path[-1] in ("nullable", "categories"):
            break
        path.append(part)
    return tuple(path)


def _told(error: ErrorDetails, reader: _Reader) -> str:
    path = _location(error)
    where = f"{reader.name}, line {reader.line_of(path)}: "
    place = _place(path[:-1])
    kind = error["type"]
    if kind == "extra_forbidden":
        return where + f"there is no key {path[-1]!r}{place}{nearest(str(path[-1]), _keys(path))}"
    if kind == "missing":
        return where + f"the key {path[-1]!r} is missing{place}"
    message = error["msg"].removeprefix("Value error, ")
    if kind in ("value_error", "misplaced"):
        return where + message
    shown = error["input"]
    near = ""
    if kind == "literal_error" and isinstance(shown, str):
        near = nearest(shown, re.findall(r"'([^']*)'", message))
    value = "empty" if shown is None else repr(_short(shown)) if isinstance(shown, str) else _short(str(shown))
    told = _NEEDED.get(kind, message[:1].lower() + message[1:])
    return where + f"{_name(path)} is {value}: {told}{near}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}..."


def _keys(path: Path) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "columns": ColumnDefinition,
        "gates": GateSettings,
        "requests": RequestSettings,
    }
    model = TaskDefinition if len(path) == 1 else parts[str(path[0])]
    return [field.alias or name for name, field in model.model_fields.items()]


def _name(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _place(path: Path) -> str:
    return f" in {_name(path)}" if path else ""
