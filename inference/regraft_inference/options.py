"""What a request may ask for besides the answers: ``probabilities`` and ``explain``, where the model has them to give.

Options stand beside the rows. ``explain`` is also read in ``params`` (MLflow's protocol) and ``parameters`` (KServe's).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regraft_core.codes import Code
from regraft_core.contract import EXPLAIN, PROBABILITIES, Contract
from regraft_core.errors import ContractError
from regraft_inference.values import kind_of

PARAMETERS = ("params", "parameters")
"""Keys under which other servers' clients send options."""

TEXTS = (f'"{PROBABILITIES}"'.encode(), f'"{EXPLAIN}"'.encode())
"""The options as they stand in JSON."""

ESCAPE = b"\\u"
"""Begins a character of JSON that is written by its number, which one of an option may be, too."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks for besides the answers."""

    probabilities: bool = False
    explain: bool = False


NO_OPTIONS = Options()


class OptionReader:
    """Reads the options of requests to one model.

    A column that is called like an option comes first, where columns stand by themselves.
    """

    def __init__(self, contract: Contract, *, probabilities: bool, reasons: bool) -> None:
        self._gives = {PROBABILITIES: probabilities, EXPLAIN: reasons}
        self._columns = frozenset(contract.feature_names)

    @staticmethod
    def may_be_in(body: bytes) -> bool:
        """Whether a body may ask for more: the words may be values in it, too."""
        return TEXTS[0] in body or TEXTS[1] in body or ESCAPE in body

    @staticmethod
    def may_ask_for_reasons(body: bytes) -> bool:
        """Whether a body may ask for reasons."""
        return TEXTS[1] in body or ESCAPE in body

    def take(self, payload: Any, *, wrapped: bool = False) -> Options:
        """Take the options out of a request that is parsed; ``wrapped``: its columns stand under a key of a format.

        Raises ContractError: ``wrong_type``, ``no_probabilities``, ``no_reasons``, or ``duplicate_key`` where the
        parameters say something else than what stands beside the rows.
        """
        if type(payload) is not dict:
            return NO_OPTIONS
        columns = frozenset[str]() if wrapped else self._columns
        probabilities = self._taken(payload, PROBABILITIES, columns)
        explain = self._taken(payload, EXPLAIN, columns)
        for key in PARAMETERS:
            if key in columns or type(parameters := payload.get(key)) is not dict:
                continue
            asked = self.in_parameters(parameters)
            if asked is not None and explain not in (None, asked):
                raise ContractError(
                    f"{EXPLAIN!r} is there twice, as true and as false", code=Code.DUPLICATE_KEY, column=EXPLAIN
                )
            explain = explain if asked is None else asked
        return Options(probabilities is True, explain is True)

    def in_parameters(self, parameters: Mapping[str, Any] | None) -> bool | None:
        """Return what the parameters of a request say of ``explain``, None for nothing. Raises as ``take``."""
        return None if not parameters or EXPLAIN not in parameters else self._checked(EXPLAIN, parameters[EXPLAIN])

    def _taken(self, payload: dict[str, Any], option: str, columns: frozenset[str]) -> bool | None:
        if option not in payload or option in columns:
            return None
        return self._checked(option, payload.pop(option))

    def _checked(self, option: str, asks: Any) -> bool:
        if not self._gives[option]:
            raise _not_given(option)
        if type(asks) is not bool:
            raise ContractError(
                f"{option!r} must be true or false, not {kind_of(asks)}",
                code=Code.WRONG_TYPE,
                column=option,
                rule="type boolean",
            )
        return asks


def _not_given(option: str) -> ContractError:
    if option == PROBABILITIES:
        return ContractError(
            f"this model gives no probabilities; leave {option!r} out",
            code=Code.NO_PROBABILITIES,
            column=option,
            rule="of classifiers that know probabilities only",
        )
    return ContractError(
        f"this model's estimator gives no reasons; leave {option!r} out, or let the task have the estimator 'auto'",
        code=Code.NO_REASONS,
        column=option,
        rule="of estimators that give reasons only",
    )
