"""What the page shows of runs that went through containers: logs from the bucket, traffic from the predictors."""

from __future__ import annotations

import httpx

from tests.e2e.cluster import eventually
from tests.e2e.conftest import URL, Installation

HTML = {"Accept": "text/html"}


def test_a_refused_run_shows_why_and_what_its_steps_logged(service: Installation, seed: int) -> None:
    accepted = service.post("drifted", seed)
    assert service.end(accepted).state == "rejected"
    page = httpx.get(accepted.status_url, headers=HTML).text
    for text in ("Refused by the gates", "target_drift", "dataset stored", "validate begins"):
        assert text in page
    assert httpx.get(f"{accepted.status_url}/report").is_success


def test_the_front_page_knows_what_the_predictors_are_asked(service: Installation) -> None:
    service.predict("passwords", {"Password": ["abc"]})
    assert eventually(lambda: "requests/s" in httpx.get(URL, headers=HTML).text, seconds=30)
