"""Whether those who ask the version in service can go on asking: a warning for each thing that is otherwise."""

from __future__ import annotations

from regraft_core.changes import changes, comparable
from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.verdict import Reason
from regraft_inference.bundle import Bundle
from regraft_pipeline.data.reasons import reason


def check(contract: Contract, incumbent: Bundle | None) -> list[Reason]:
    """Return a warning for each change that clients of the version in service will notice.

    It answers by its own contract until a new version is promoted.
    """
    if incumbent is None:
        return []
    told = [_changed(change.column, change.message) for change in changes(incumbent.contract, contract)]
    if not comparable(incumbent.contract, contract):
        message = "the version in service has another contract: the new model is not compared with it"
        told.append(_changed(contract.target.name, message))
    return told


def _changed(column: str, message: str) -> Reason:
    return reason(
        Code.CONTRACT_CHANGED,
        f"from the next promotion on: {message}",
        "those who ask told before this version serves; until then the one in service answers as it always did",
        severity="warning",
        column=column,
    )
