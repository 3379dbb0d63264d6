"""The predictors' pods, as the API server knows them."""

from __future__ import annotations

from typing import Any

import httpx

from regraft_core.kube import answer, reaching
from regraft_core.workflows import TASK_LABEL
from regraft_trigger.backends.backend import PredictorPod

PREDICTORS = "app.kubernetes.io/name=predictor"


async def predictor_pods(api: httpx.AsyncClient, namespace: str, port: int) -> list[PredictorPod]:
    """Return the pods that have an address. Raises RegraftError."""
    with reaching():
        found = answer(await api.get(f"/api/v1/namespaces/{namespace}/pods", params={"labelSelector": PREDICTORS}))
    return [
        PredictorPod(f"http://{_host(ip)}:{port}", pod["metadata"]["labels"][TASK_LABEL], _ends(pod))
        for pod in found["items"]
        if (ip := pod.get("status", {}).get("podIP")) and TASK_LABEL in pod["metadata"].get("labels", {})
    ]


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _ends(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]
