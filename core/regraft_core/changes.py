"""What a new contract changes for those who ask as they do now: the sides of an agreement, held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.states import Cause

SHOWN = 5
"""Values that are named; of more how many there are."""


CURE = "those who ask told before this version serves; until then the one in service answers as it always did"


@dataclass(frozen=True)
class Change:
    """What is otherwise in one column, and what follows for requests that are right now."""

    column: str
    message: str
    remedy: str = CURE


NOT_COMPARED = Change(
    "",
    "the version in service has another contract: the new model is not compared with it",
    "nothing: once this contract serves, new models are compared again",
)


def changes(now: Contract, then: Contract) -> list[Change]:
    """Return what changes for clients of one contract when another one takes its place; nothing where all goes on.

    What only allows more is no change: nobody who asks now notices.
    """
    known = {column.name: column for column in now.features}
    wanted = {column.name: column for column in then.features}
    return [
        *(_gone(column, then) for column in now.features if column.name not in wanted),
        *(
            Change(column.name, f"{column.name} is new: requests without it are refused")
            for column in then.features
            if column.name not in known
        ),
        *(
            Change(name, message)
            for name, column in wanted.items()
            if name in known
            for message in _narrowed(known[name], column)
        ),
        *_order(now, then),
        *(Change(then.target.name, message) for message in _answers(now.target, then.target)),
        *_rows(now, then),
    ]


def told(now: Contract, then: Contract) -> list[Change]:
    """Return what people are told before a new contract counts: what clients notice and when, what is not compared."""
    ahead = [replace(change, message=f"from the next promotion on: {change.message}") for change in changes(now, then)]
    return ahead if comparable(now, then) else [*ahead, replace(NOT_COMPARED, column=then.target.name)]


def announced(now: Contract, then: Contract) -> list[Cause]:
    """Return the same as causes."""
    return [Cause(code=Code.CONTRACT_CHANGED, message=change.message) for change in told(now, then)]


def comparable(now: Contract, then: Contract) -> bool:
    """Whether a model of one contract can be asked with the rows of the other, and its answers be compared."""
    same = _asked(now) == _asked(then) and now.target.name == then.target.name
    return same and now.target.type == then.target.type and now.classes == then.classes


def _asked(contract: Contract) -> list[Column]:
    """Return what a contract asks of the features; how people describe them changes nothing."""
    return [column.model_copy(update={"description": ""}) for column in contract.features]


def _gone(column: Column, then: Contract) -> Change:
    aside = then.leaves_aside(column.name) and column.name != then.target.name
    follows = "is left aside" if aside else "is gone: requests that have it are refused"
    return Change(column.name, f"{column.name} {follows}")


def _narrowed(now: Column, then: Column) -> Iterator[str]:
    """Say which values of one column are right now and refused then."""
    name = now.name
    if now.type != then.type and (now.type, then.type) != ("integer", "number"):
        yield f"{name} is of type {then.type}, which was {now.type}: requests are to be written anew"
        return
    if now.unit != then.unit and then.unit is not None and now.unit is not None:
        yield f"{name} is in {then.unit}, which was {now.unit}: the same number means something else"
    if now.nullable and not then.nullable:
        yield f"{name} must not be missing any more: null is refused"
    if then.categories is not None:
        lost = [value for value in now.categories or () if value not in then.categories]
        if now.categories is None:
            yield f"{name} has {len(then.categories)} allowed values from then on, all others are refused"
        elif lost:
            yield f"{name} has lost {_listed(lost)}: requests with it are refused"
    if then.minimum is not None and (now.minimum is None or now.minimum < then.minimum):
        yield f"{name} below {then.minimum:g} is refused"
    if then.maximum is not None and (now.maximum is None or now.maximum > then.maximum):
        yield f"{name} above {then.maximum:g} is refused"
    if then.is_open and (then.min_length > now.min_length or then.max_length < now.max_length):
        yield f"{name} of other than {then.min_length} to {then.max_length} characters is refused"


def _order(now: Contract, then: Contract) -> list[Change]:
    if now.feature_names == then.feature_names or set(now.feature_names) != set(then.feature_names):
        return []
    first = next(name for name, other in zip(then.feature_names, now.feature_names, strict=True) if name != other)
    return [Change(first, "the columns have another order: rows as lists mean something else")]


def _answers(now: Column, then: Column) -> Iterator[str]:
    """Say what is otherwise in the answers."""
    if now.name != then.name:
        yield f"answers are named {then.name!r} instead of {now.name!r}"
    if now.type != then.type:
        yield f"answers are of type {then.type} instead of {now.type}"
    elif now.unit != then.unit:
        yield f"answers are in {then.unit or 'no unit'} instead of {now.unit or 'no unit'}"
    elif now.categories != then.categories and set(now.categories or ()) != set(then.categories or ()):
        new = [value for value in then.categories or () if value not in (now.categories or ())]
        gone = [value for value in now.categories or () if value not in (then.categories or ())]
        parts = [f"{what} {_listed(values)}" for what, values in (("new:", new), ("gone:", gone)) if values]
        yield f"answers have other values, {'; '.join(parts)}"


def _rows(now: Contract, then: Contract) -> list[Change]:
    if then.max_request_rows >= now.max_request_rows:
        return []
    message = f"requests of more than {then.max_request_rows:,} rows are refused"
    return [Change(then.target.name, message)]


def _listed(values: list[int] | list[str] | list[int | str]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(map(str, values[:SHOWN])) + more
