"""What really happened, as clients tell it: read, and held against the contract."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_core.fit.kept import InputsAnswered, Outcome
from regraft_core.fit.skill import Answer
from regraft_trigger.bodies import Body

MOST_OUTCOMES = 10_000

MOST_ID = 128
"""Most characters of a request's id."""


class OutcomesBody(Body):
    """What really happened."""

    outcomes: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MOST_OUTCOMES,
        description="Each names the target by its column, and the row that it is of: by `id`, the Regraft-Request-Id "
        "of its answer, and `row` of a request of several rows (0-based, by default 0; or all rows at once, the target "
        "as a list in their order); or by its inputs, each by its column. Where the contract has columns of these "
        "names, say `request_id` and `request_row`",
        examples=[[{"id": "6f1c0e4f9a3b7d21-17", "Times": 1.5}, {"Password": "hunter2", "Times": 0.3}]],
    )


@dataclass(frozen=True)
class Said:
    """What really happened, of one row. ``place`` is that in the body."""

    place: int
    truth: Answer
    id: str | None = None
    row: int = 0
    inputs: dict[str, Any] | None = None


def said(outcomes: list[dict[str, Any]], contract: Contract) -> list[Said]:
    """Return what a body tells, a row each. Raises ContractError for the first thing that cannot be."""
    names = {column.name for column in contract.columns}
    of_id, of_row = ("request_id" if "id" in names else "id"), ("request_row" if "row" in names else "row")
    return [
        each
        for place, outcome in enumerate(outcomes)
        for each in (
            _by_id(place, outcome, contract.target, of_id, of_row)
            if of_id in outcome
            else _with_inputs(place, outcome, contract.target, of_id)
        )
    ]


def _by_id(place: int, outcome: Mapping[str, Any], target: Column, of_id: str, of_row: str) -> Iterator[Said]:
    request, row = outcome[of_id], outcome.get(of_row, 0)
    if unknown := sorted(outcome.keys() - {of_id, of_row, target.name}):
        raise _wrong(
            f"there is nothing like {unknown[0][:100]!r} beside {of_id!r}; there is {target.name!r}",
            Code.COLUMN_UNKNOWN,
            place,
            unknown[0][:100],
            f"{of_id}, {of_row} and {target.name}, or inputs",
        )
    if type(request) is not str or not (0 < len(request) <= MOST_ID) or not request.isascii():
        raise _wrong(f"{of_id!r} must be the Regraft-Request-Id of an answer", Code.WRONG_TYPE, place, of_id, "an id")
    if type(row) is not int or not 0 <= row < 2**31:
        raise _wrong(f"{of_row!r} must be the row of the request, from 0 on", Code.WRONG_TYPE, place, of_row, "a row")
    truth = _target_of(place, outcome, target)
    if isinstance(truth, list):
        if of_row in outcome:
            message = f"{target.name!r} is a list, which tells all rows in their order: leave {of_row!r} out"
            raise _wrong(message, Code.WRONG_TYPE, place, of_row, "a list or a row")
        for number, one in enumerate(truth):
            yield Said(place, checked(target, one, place), request, number)
    else:
        yield Said(place, checked(target, truth, place), request, row)


def _with_inputs(place: int, outcome: Mapping[str, Any], target: Column, of_id: str) -> Iterator[Said]:
    truth = checked(target, _target_of(place, outcome, target), place)
    inputs = {name: value for name, value in outcome.items() if name != target.name}
    if not inputs:
        message = f"an outcome needs {of_id!r}, the Regraft-Request-Id of an answer, or the inputs that it is of"
        raise _wrong(message, Code.COLUMN_MISSING, place, of_id, "id or inputs")
    for name, value in inputs.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise _wrong(f"{name[:100]!r} is no number", Code.VALUE_INFINITE, place, name[:100], "a finite number")
    yield Said(place, truth, inputs=inputs)


def _target_of(place: int, outcome: Mapping[str, Any], target: Column) -> Any:
    if target.name not in outcome:
        message = f"{target.name!r} is missing: what really happened"
        raise _wrong(message, Code.COLUMN_MISSING, place, target.name, "required")
    return outcome[target.name]


def checked(target: Column, value: Any, place: int) -> Answer:
    """Return a value of the target. Raises ContractError where the contract has none like it."""

    def wrong(code: Code, rule: str) -> ContractError:
        return _wrong(f"{target.name!r} cannot be {str(value)[:100]!r}: {rule}", code, place, target.name, rule)

    if value is None:
        raise wrong(Code.VALUE_MISSING, "not null")
    if target.type == "boolean":
        if type(value) is not bool:
            raise wrong(Code.WRONG_TYPE, "true or false")
        return value
    if target.type == "string":
        if type(value) is not str:
            raise wrong(Code.WRONG_TYPE, "type string")
        found: Answer = value
    elif type(value) not in (int, float):
        raise wrong(Code.WRONG_TYPE, f"type {target.type}")
    elif not math.isfinite(value):
        raise wrong(Code.VALUE_INFINITE, "a finite number")
    elif target.type == "integer" and value != int(value):
        raise wrong(Code.VALUE_NOT_INTEGER, "a whole number")
    else:
        found = int(value) if target.type == "integer" else float(value)
    if target.categories is not None and found not in target.categories:
        raise wrong(Code.VALUE_NOT_IN_CATEGORIES, f"one of {', '.join(map(str, target.categories))}"[:300])
    if target.minimum is not None and not isinstance(found, str) and found < target.minimum:
        code = Code.VALUE_NEGATIVE if target.minimum == 0 else Code.VALUE_TOO_SMALL
        raise wrong(code, f"at least {target.minimum:g}")
    if target.maximum is not None and not isinstance(found, str) and found > target.maximum:
        raise wrong(Code.VALUE_TOO_LARGE, f"at most {target.maximum:g}")
    return found


def told_of(told: Sequence[Said], moment: float, answered: InputsAnswered | None) -> list[Outcome]:
    """Return outcomes as they are kept; ``answered`` is what the predictor answers to those with inputs, in order."""
    answers = iter([]) if answered is None else iter(range(len(answered.answers)))
    found = []
    for each in told:
        outcome = Outcome(at=moment, truth=each.truth, id=each.id, row=each.row, inputs=each.inputs)
        if each.inputs is not None and answered is not None:
            place = next(answers)
            of_second = None if answered.probabilities is None else answered.probabilities[place]
            answer = {"version": answered.version, "answer": answered.answers[place], "probability": of_second}
            outcome = outcome.model_copy(update=answer)
        found.append(outcome)
    return found


def refusal_of(problem: Any, rows: Sequence[Said]) -> ContractError:
    """Return what a predictor has against inputs, with the place of the outcome in the body."""
    row = problem.get("row")
    place = rows[row].place if type(row) is int and row < len(rows) else rows[0].place
    details = {name: problem[name] for name in ("column", "rule") if name in problem}
    message = f"outcome {place}: {problem.get('detail', 'the inputs break the contract')}"
    code = str(problem.get("code"))
    known = Code.of(code) if code in list(Code) else Code.CONTRACT_BROKEN  # one of a newer release
    return ContractError(message, code=known, row=place, **details)


def _wrong(message: str, code: Code, place: int, column: str, rule: str) -> ContractError:
    return ContractError(f"outcome {place}: {message}", code=code, column=column, row=place, rule=rule)


__all__ = ["OutcomesBody", "Said", "refusal_of", "said", "told_of"]
