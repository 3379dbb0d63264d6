"""The whole address of a run's dataset where it holds a secret: an object that only the step that downloads reads.

Everything else knows the address as it may be shown. When the step has read it, or the run has ended, only a digest
remains, by which the same request is known again.
"""

from __future__ import annotations

import hashlib

from pydantic import BaseModel

from regraft_core import layout
from regraft_core.stores.objects import ObjectStore, get_model, put_model


class Source(BaseModel):
    """The address of one run's dataset, None when it is needed no more."""

    address: str | None
    digest: str


def keep_address(store: ObjectStore, run_id: str, address: str) -> bool:
    """Keep the address for a run that is about to be accepted; False where the run has another one.

    Where the run has had the very same, nothing is written: its step may have read it long ago.
    """
    digest = _digest(run_id, address)
    kept = get_model(store, layout.source(run_id), Source)
    if kept is None:
        put_model(store, layout.source(run_id), Source(address=address, digest=digest))
    return kept is None or kept.digest == digest


def whole_address(store: ObjectStore, run_id: str) -> str | None:
    """Return the address that was kept for a run, None where none was, or it was read already."""
    kept = get_model(store, layout.source(run_id), Source)
    return None if kept is None else kept.address


def forget_address(store: ObjectStore, run_id: str) -> None:
    """Let nothing but the digest remain; nothing happens where there is no address."""
    kept = get_model(store, layout.source(run_id), Source)
    if kept is not None and kept.address is not None:
        put_model(store, layout.source(run_id), kept.model_copy(update={"address": None}))


def _digest(run_id: str, address: str) -> str:
    return hashlib.sha256(f"{run_id} {address}".encode()).hexdigest()
