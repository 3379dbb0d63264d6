from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.checker import datasets
from tests.checker.__main__ import LOOPBACK, _own_addresses, _reachable
from tests.checker.client import Accepted, CheckError, RunView, Service


class Fetcher(Service):
    """Gets what is posted from some hosts only, as a service does that others cannot make look at private ones."""

    def __init__(self, *hosts: str) -> None:
        super().__init__("http://localhost/trigger", "http://localhost/predict")
        self.hosts = hosts

    def trigger(self, data_url: str, **options: Any) -> Accepted:
        if httpx.URL(data_url).host in self.hosts:
            httpx.get(data_url)
        return Accepted("run-1", "")

    def wait(
        self, accepted: Accepted, *, timeout: float, watch: Callable[[RunView], None] = lambda run: None
    ) -> RunView:
        return RunView("run-1", "failed", None, "", ("source_forbidden_address",), "the address is private")


def test_the_loopback_address_is_the_last_resort() -> None:
    addresses = _own_addresses("localhost")
    assert addresses[-1] == LOOPBACK
    assert len(addresses) == len(set(addresses))


def test_the_address_is_the_one_that_the_service_finds() -> None:
    with datasets.serving() as server:
        assert _reachable(server, Fetcher(LOOPBACK), 1, 10) == f"http://{LOOPBACK}:{server.port}"


def test_a_service_that_finds_no_address_is_told_of() -> None:
    with datasets.serving() as server, pytest.raises(CheckError, match="the address is private; allow one of"):
        _reachable(server, Fetcher(), 1, 10)
