"""What is put into the store before a run is accepted: a dataset that was sent, or the whole of a secret address.

The whole address is an object that only the step that downloads reads; everything else knows it as it may be shown.
When the step has read it, or the run has ended, only a digest remains, by which the same request is known again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel

from regraft_core import layout
from regraft_core.errors import KeyReusedError
from regraft_core.stores.objects import ObjectStore, get_model, put_model


class Source(BaseModel):
    """The address of one run's dataset, None when it is needed no more."""

    address: str | None
    digest: str


def keep_address(store: ObjectStore, run_id: str, address: str) -> bool:
    """Keep the address for a run that is about to be accepted, and return whether it was not known yet.

    Where the run has had the very same, nothing is written: its step may have read it long ago. Raises KeyReusedError
    where the run has another one.
    """
    digest = _digest(run_id, address)
    kept = get_model(store, layout.source(run_id), Source)
    if kept is None:
        put_model(store, layout.source(run_id), Source(address=address, digest=digest))
    elif kept.digest != digest:
        raise KeyReusedError(f"this Idempotency-Key stands for {run_id}, which has another address; take another key")
    return kept is None


def whole_address(store: ObjectStore, run_id: str) -> str | None:
    """Return the address that was kept for a run, None where none was, or it was read already."""
    kept = get_model(store, layout.source(run_id), Source)
    return None if kept is None else kept.address


def forget_address(store: ObjectStore, run_id: str) -> None:
    """Let nothing but the digest remain; nothing happens where there is no address."""
    kept = get_model(store, layout.source(run_id), Source)
    if kept is not None and kept.address is not None:
        put_model(store, layout.source(run_id), kept.model_copy(update={"address": None}))


def put_dataset(store: ObjectStore, sha256: str, path: Path) -> None:
    """Put a dataset that somebody sent into the store, unless it is there."""
    key = layout.raw_dataset(sha256)
    if not store.exists(key):
        store.put_file(key, path)


def _digest(run_id: str, address: str) -> str:
    return hashlib.sha256(f"{run_id} {address}".encode()).hexdigest()
