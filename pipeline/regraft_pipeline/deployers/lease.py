"""A Lease of Kubernetes: what only one of several runs holds at a time, wherever it runs and however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from regraft_core.codes import Code
from regraft_core.errors import NotFoundError, RegraftError, TemporaryError
from regraft_core.kube import answer, reaching
from regraft_core.logs import get_logger
from regraft_core.runs import now

SECONDS = 120
"""Who has not let go after so long is taken for dead, by the clock of who waits."""

POLL_SECONDS = 0.5

log = get_logger(__name__)

Json = dict[str, Any]


@contextmanager
def held(api: httpx.Client, namespace: str, name: str, holder: str) -> Iterator[Callable[[], None]]:
    """Hold a Lease; one that this holder had before, when it was killed, is its own still.

    What is yielded raises TemporaryError (``lease_lost``) where the holder has taken more than half the time.
    """
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    lease = _take(api, path, name, holder)
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > SECONDS / 2:
            raise TemporaryError(f"the lease {name} was held for too long", code=Code.LEASE_LOST)

    try:
        yield check
    finally:
        if lease is not None:
            _let_go(api, f"{path}/{name}", lease)


def _take(api: httpx.Client, path: str, name: str, holder: str) -> Json | None:
    """Return the Lease when it is held; None where the cluster has or allows none, so that all goes on without."""
    watched, since = "", time.monotonic()
    deadline = since + 2 * SECONDS
    while True:
        try:
            lease = _get(api, f"{path}/{name}")
            if lease is None:
                body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}
                return _send(api, "POST", path, body, holder)
            owner, version = lease["spec"].get("holderIdentity"), lease["metadata"]["resourceVersion"]
            if version != watched:
                watched, since = version, time.monotonic()
            if owner in (None, "", holder) or time.monotonic() - since > SECONDS:
                return _send(api, "PUT", f"{path}/{name}", lease, holder)
            reason = f"it is held by {owner}"
        except TemporaryError as error:  # 409 too: somebody else was faster
            reason = error.message
        except RegraftError as error:
            log.warning("lease cannot be had, going on without", lease=name, reason=error.message)
            return None
        if time.monotonic() > deadline:
            raise TemporaryError(f"the lease {name} cannot be had: {reason}", code=Code.LEASE_BUSY)
        time.sleep(POLL_SECONDS)


def _get(api: httpx.Client, path: str) -> Json | None:
    try:
        with reaching():
            return answer(api.get(path))
    except NotFoundError:
        return None


def _send(api: httpx.Client, method: str, path: str, lease: Json, holder: str) -> Json:
    moment = now().isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": SECONDS, "acquireTime": moment, "renewTime": moment}
    with reaching():
        return answer(api.request(method, path, json=lease | {"spec": spec}))


def _let_go(api: httpx.Client, path: str, lease: Json) -> None:
    try:
        _send(api, "PUT", path, lease, "")
    except RegraftError as error:
        log.warning("lease not let go, it runs out", reason=error.message)
