"""Whether those who ask the version in service can go on asking: a warning for each thing that is otherwise."""

from __future__ import annotations

from regraft_core.changes import told
from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.verdict import Reason
from regraft_inference.bundle import Bundle
from regraft_pipeline.data.reasons import reason


def check(contract: Contract, incumbent: Bundle | None) -> list[Reason]:
    """Return a warning for each change that clients of the version in service will notice, and if it is not compared.

    It answers by its own contract until a new version is promoted.
    """
    if incumbent is None:
        return []
    return [
        reason(Code.CONTRACT_CHANGED, change.message, change.remedy, severity="warning", column=change.column)
        for change in told(incumbent.contract, contract)
    ]
