from __future__ import annotations

from typing import Any

import pytest

from regraft_core.errors import TemporaryError
from regraft_trigger.backends.backend import PredictorPod
from regraft_trigger.backends.pods import predictor_pods
from tests.apiserver import ApiServer

pytestmark = pytest.mark.anyio

PATH = "/api/v1/namespaces/regraft/pods"


def pod(name: str, ip: str | None, *, task: str | None = "passwords", **metadata: Any) -> dict[str, Any]:
    labels = {"regraft.dev/task": task} if task else {}
    return {"metadata": {"name": name, "labels": labels, **metadata}, "status": {"podIP": ip} if ip else {}}


async def test_pods_with_an_address_are_found_and_those_that_end_are_told_apart() -> None:
    with ApiServer().running() as api:
        api.put(f"{PATH}/a", pod("a", "10.0.0.1"))
        api.put(f"{PATH}/b", pod("b", "10.0.0.2", deletionTimestamp="2026-11-25T00:00:00Z"))
        api.put(f"{PATH}/c", pod("c", "fd00::3", task="heart-disease"))
        api.put(f"{PATH}/d", pod("d", None))
        api.put(f"{PATH}/e", pod("e", "10.0.0.5", task=None))
        async with api.cluster.async_client() as client:
            assert await predictor_pods(client, "regraft", 8090) == [
                PredictorPod("http://10.0.0.1:8090", "passwords"),
                PredictorPod("http://10.0.0.2:8090", "passwords", ends=True),
                PredictorPod("http://[fd00::3]:8090", "heart-disease"),
            ]
        api.before = lambda method, path: 503
        async with api.cluster.async_client() as client:
            with pytest.raises(TemporaryError):
                await predictor_pods(client, "regraft", 8090)
