from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.checker.client import Service
from tests.e2e.cluster import forwarded
from tests.e2e.conftest import pytest_runtest_makereport
from tests.rehearsal.site import HOST, Site, remove_regraft

__all__ = ["pytest_runtest_makereport"]  # a failure is explained here as there


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Installing takes a while."""
    for item in items:
        item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site, with Regraft in it and nothing of an installation before."""
    remove_regraft()
    site = Site(tmp_path_factory.mktemp("site"))
    site.build()
    site.install()
    return site


@pytest.fixture(scope="session")
def url(site: Site) -> Iterator[str]:
    """Where the ingress controller answers with the site's certificate."""
    with forwarded("traefik", 443, namespace="traefik") as address:
        yield f"https://{HOST}:{httpx.URL(address).port}"


@pytest.fixture(scope="session")
def browser(site: Site) -> Iterator[httpx.Client]:
    """A client that trusts the site's certificate and no other."""
    with httpx.Client(verify=ssl.create_default_context(cafile=str(site.certificate)), timeout=30) as client:
        yield client


@pytest.fixture
def service(site: Site, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The service as the checker knows it: two URLs, and here a token."""
    monkeypatch.setenv("SSL_CERT_FILE", str(site.certificate))
    with Service(f"{url}/trigger", f"{url}/predict", token=site.token) as service:
        yield service
