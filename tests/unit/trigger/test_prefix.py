"""Addresses behind a proxy and below a prefix."""

from __future__ import annotations

import pytest

from tests.unit.trigger.serving import DATA_URL, Running, Serve


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {"X-Forwarded-Prefix": "/regraft/", "X-Forwarded-Proto": "https"}),
        ({"root_path": "/regraft"}, {"X-Forwarded-Proto": "https"}),
    ],
)
def test_addresses_are_those_that_the_client_sees_behind_a_proxy(
    serve: Serve, settings: dict[str, str], headers: dict[str, str]
) -> None:
    service = serve(**settings)
    headers |= {"Host": "data.example.org"}
    answer = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers)

    address = f"https://data.example.org/regraft/runs/{answer.json()['run_id']}"
    assert answer.headers["location"] == answer.json()["status_url"] == address
    page = service.client.get("/", headers=headers).text
    assert 'href="/regraft/static/page.css' in page
    assert 'data-events="/regraft/events"' in page


def test_a_prefix_may_come_with_the_path(serve: Serve) -> None:
    service = serve(root_path="/regraft")

    assert service.client.get("/regraft/health").status_code == 200
    assert service.client.get("/regraft/static/page.css").status_code == 200
    assert service.client.get("/health").status_code == 200


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", '/"onload="', "https://evil.example"])
def test_a_strange_prefix_is_ignored(service: Running, prefix: str) -> None:
    answer = service.client.get("/", headers={"X-Forwarded-Prefix": prefix})

    assert 'href="/static/page.css' in answer.text
